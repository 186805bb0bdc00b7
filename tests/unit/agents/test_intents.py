"""What an analysis has for each kind of answer: themes, agreements, verdicts, procedures, cells of a comparison."""

import random

import pytest

from actors.tools.analysing.analysis import analyse
from actors.tools.analysing.checks import claims_of
from actors.tools.analysing.findings import Analysis
from actors.tools.splitting.passages import Passage, split
from app.model.plan import Intent
from app.model.task import Document


def _passages(**documents: str) -> list[Passage]:
    named = (Document(name=f"{name}.md", text=text) for name, text in documents.items())
    return [passage for document in named for passage in split(document)]


BACKUPS = """# Handbook

## Backups

Backups of all databases are written every night at two. A backup is encrypted before it leaves the building.
Old databases are kept on tape.

## Access

Access to the databases needs a personal key. Access to databases by a shared password is not allowed.

## Incidents

Incidents with the databases are answered by the person on call.
Every incident with a database gets a report within a week.
"""
NOTES = "# Notes\n\nA backup is always encrypted before it leaves our building. Nobody likes the old printer.\n"

SETUP = """# Setup

## Install the server

1. Download the archive from the mirror.
2. Unpack it into your home directory:

   ```bash
   tar xf server.tar.gz
   ```

3. Start the server:

   ```bash
   ./server --port 9000
   ```

The server writes its log to the standard output.
"""


def _labels(analysis: Analysis) -> dict[str, str]:
    return {finding.text: finding.theme for finding in analysis.findings}


def test_findings_stand_under_labels_of_the_documents() -> None:
    """A heading that gathers several; in reading order, whatever the order of the passages."""
    passages = _passages(handbook=BACKUPS)
    found = analyse("What about the databases?", [], passages)

    assert found.themes == ["Backups", "Access", "Incidents"]
    assert _labels(found)["Old databases are kept on tape."] == "Backups"
    for seed in range(5):
        shuffled = random.Random(seed).sample(passages, len(passages))
        assert _labels(analyse("What about the databases?", [], shuffled)) == _labels(found)


def test_few_findings_are_not_grouped() -> None:
    """Two sentences need no headings."""
    found = analyse("Who answers incidents?", [], _passages(notes="Incidents are answered by the person on call."))

    assert (found.themes, [finding.theme for finding in found.findings]) == ([], [""])


def test_what_several_documents_say_is_an_agreement_with_both_passages() -> None:
    """In each document's own words; a document agrees with nobody by itself."""
    (agreement,) = analyse("Are backups encrypted?", [], _passages(handbook=BACKUPS, notes=NOTES)).agreements

    assert {side.text for side in agreement.sides} == {
        "A backup is encrypted before it leaves the building.",
        "A backup is always encrypted before it leaves our building.",
    }
    assert "encrypted" in agreement.about
    assert not analyse("Are backups encrypted?", [], _passages(handbook=BACKUPS)).agreements


def test_statements_to_check_are_judged_by_the_passages() -> None:
    """Supported, contradicted, disputed when documents differ, or not found; never by a sentence that only is near."""
    passages = _passages(
        a="# A\n\nThe lease lasts 10 seconds. The broker does not retry failed messages. Redis is required.",
        b="# B\n\nThe lease lasts 30 seconds. A queue may be paused by an administrator.",
    )
    claims = [
        "The broker retries failed messages.",
        "Redis is required.",
        "The lease lasts 10 seconds.",
        "The lease lasts a minute.",
        "Queues are encrypted.",
    ]

    verdicts = analyse("Check the claims", claims, passages, intent=Intent.CHECK).verdicts

    assert [verdict.verdict for verdict in verdicts] == [
        "contradicted", "supported", "disputed", "contradicted", "not found",
    ]  # fmt: skip
    assert [side.text for side in verdicts[2].sides] == ["The lease lasts 10 seconds."]
    assert [side.text for side in verdicts[2].against] == ["The lease lasts 30 seconds."]
    assert len(verdicts[3].sides) == 2
    assert verdicts[4].sides == []


def test_a_claim_that_was_not_found_is_the_gap_of_a_check() -> None:
    """Under its own wording."""
    found = analyse("Queues are encrypted at rest", [], _passages(notes=NOTES), intent=Intent.CHECK)

    assert [(gap.subject, gap.term) for gap in found.gaps] == [("Queues are encrypted at rest", "")]


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("Check whether the broker retries failed messages", ["the broker retries failed messages"]),
        ("Is it true that leases last a minute?", ["leases last a minute?"]),
        ("Fact check: The tower is 330 m tall. It was finished in 1889.",
         ["The tower is 330 m tall.", "It was finished in 1889."]),
        ("Check these claims:\n- Redis is single-threaded\n- Kafka needs ZooKeeper",
         ["Redis is single-threaded", "Kafka needs ZooKeeper"]),
        ("check", ["check"]),
    ],
)  # fmt: skip
def test_claims_are_read_from_the_text_when_the_step_names_none(text: str, claims: list[str]) -> None:
    """Without the words that ask for the check."""
    assert claims_of(text) == claims


def test_a_procedure_has_its_steps_in_order_and_each_its_code() -> None:
    """Exact pieces of the passage; what only informs is no instruction."""
    passages = _passages(setup=SETUP, other="# Other\n\nThe server is green. Servers are installed by many people.")

    (procedure,) = analyse("How do I install the server?", [], passages, intent=Intent.HOWTO).procedures

    assert procedure.about == "Install the server"
    assert [(step.text, [code.text for code in step.code]) for step in procedure.instructions] == [
        ("Download the archive from the mirror.", []),
        ("Unpack it into your home directory:", ["tar xf server.tar.gz"]),
        ("Start the server:", ["./server --port 9000"]),
    ]
    texts = {passage.pid: passage.text for passage in passages}
    for step in procedure.instructions:
        assert step.quote in texts[step.pid]
        assert all(code.quote in texts[code.pid] and code.language == "bash" for code in step.code)


def test_what_a_procedure_tells_is_no_gap() -> None:
    """Though no sentence speaks of it."""
    found = analyse("How do I unpack the server archive?", [], _passages(setup=SETUP), intent=Intent.HOWTO)

    assert found.gaps == []


def test_every_cell_of_a_comparison_is_filled_or_a_gap() -> None:
    """The aspects given are the columns, whatever words the question has."""
    passages = _passages(
        alpha="# alpha\n\nAlpha is a broker. Alpha retries every failed message five times. It costs nothing at all.",
        beta="# beta\n\nBeta is a broker. The price of Beta is ten euros a month, paid in advance.",
    )

    found = analyse(
        "Which one should we take for our new shop?", ["alpha", "beta"], passages,
        intent=Intent.COMPARISON, aspects=["retry behaviour", "price"],
    )  # fmt: skip

    cells = {(finding.subject, term) for finding in found.findings for term in finding.terms}
    gaps = {(gap.subject, gap.term) for gap in found.gaps}
    every = {(subject, aspect) for subject in ("alpha", "beta") for aspect in ("retry behaviour", "price")}
    assert found.topics == ["retry behaviour", "price"]
    assert cells | gaps == every
    assert not cells & gaps
    assert gaps == {("beta", "retry behaviour")}


@pytest.mark.parametrize(
    ("question", "gap"),
    [
        ("Which backup is kept longest?", "backup"),
        ("How exactly are idle connections closed?", "idle connections closed"),
        ("What happens when the disk is full?", "disk"),
    ],
)
def test_a_gap_is_a_phrase_of_the_question_and_no_stray_word(question: str, gap: str) -> None:
    """Neither "longest" nor "exactly" nor "happens"."""
    found = analyse(question, [], _passages(x="# X\n\nThe printer is green and stands in the hall downstairs."))

    assert found.gaps[0].term == gap
    assert not {"longest", "exactly", "happens", "kept"} & {gap.term for gap in found.gaps}
