"""A citation holds only if the passage says so; every kind of forgery is caught."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.tools.analysing.findings import Analysis, Difference, Finding, Side
from actors.tools.reporting.citations import Claim, locate, verify
from actors.tools.splitting.passages import Passage, split
from actors.tools.text.sentences import sentences
from app.model.report import CitationCounts
from app.model.task import Document
from tests.unit.agents.written import write_report

SOURCE = Document(
    name="broker.md",
    text="# Broker\n\nThe broker does **not** retry a\nfailed message. The [lease](#x) lasts 10 seconds.\n",
)
PASSAGE = split(SOURCE)[0]
PASSAGES = {PASSAGE.pid: PASSAGE}
QUOTE = "The broker does **not** retry a\nfailed message."
TEXT = "The broker does not retry a failed message."


def test_a_true_citation_holds() -> None:
    """Also with other white space and case in the quotation."""
    loose = Claim(TEXT.upper(), "the broker  does **NOT** retry a failed message.", PASSAGE.pid)

    assert verify([Claim(TEXT, QUOTE, PASSAGE.pid), loose], PASSAGES).counts == {
        "total": 2, "ok": 2, "repaired": 0, "dropped": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (Claim("It retries.", "It retries.", "p0000000000000000"), "no such passage"),
        (Claim("It retries.", "It retries.", PASSAGE.pid), "quotation not in the passage"),
        (Claim("The broker does retry.", QUOTE, PASSAGE.pid), "sentence is not the quotation"),
        (Claim("The broker does retry a failed message.", QUOTE.replace("**not** ", ""), PASSAGE.pid),
         "quotation not in the passage"),
        (Claim("The lease lasts 1", "The [lease](#x) lasts 1", PASSAGE.pid), "quotation not in the passage"),
        (Claim("", "", PASSAGE.pid), "quotation not in the passage"),
        (Claim("", "#", PASSAGE.pid), "sentence is not the quotation"),
        (Claim(".*", ".*", PASSAGE.pid), "quotation not in the passage"),
    ],
)  # fmt: skip
def test_a_forged_citation_is_rejected_with_its_reason(claim: Claim, reason: str) -> None:
    """Passages that do not exist, words that were changed, left out or cut in two."""
    outcome = verify([claim, Claim(TEXT, QUOTE, PASSAGE.pid)], PASSAGES)

    assert [rejected.reason for rejected in outcome.rejected] == [reason]
    assert outcome.counts == {"total": 2, "ok": 1, "repaired": 0, "dropped": 1}


def test_a_passage_under_another_id_does_not_count() -> None:
    """The table of passages cannot lend one passage's text to another's id."""
    assert verify([Claim(TEXT, QUOTE, "px")], {"px": PASSAGE}).counts["dropped"] == 1


@given(st.data())
def test_changing_any_word_of_a_quotation_breaks_it(data: st.DataObject) -> None:
    """For every sentence of the passage and every word of it."""
    sentence = data.draw(st.sampled_from(sentences(PASSAGE.text)))
    words = sentence.quote.split()
    at = data.draw(st.integers(0, len(words) - 1))
    forged = " ".join([*words[:at], f"un{words[at]}", *words[at + 1 :]])

    assert verify([Claim(sentence.text, sentence.quote, PASSAGE.pid)], PASSAGES).counts["ok"] == 1
    assert verify([Claim(sentence.text, forged, PASSAGE.pid)], PASSAGES).counts["ok"] == 0


def test_a_quotation_is_located_where_it_begins() -> None:
    """So that a source can name the line."""
    assert locate(QUOTE, PASSAGE.text) == PASSAGE.text.index("The broker")
    assert locate("roker does", PASSAGE.text) is None


def _analysis(forge: Callable[[Finding], Finding] = lambda finding: finding) -> Analysis:
    lease = Finding(text="The lease lasts 10 seconds.", quote="The [lease](#x) lasts 10 seconds.", pid=PASSAGE.pid)
    return Analysis(
        question="retries and lease",
        topics=["retries", "lease"],
        documents=1,
        findings=[
            forge(Finding(text=TEXT, quote=QUOTE, pid=PASSAGE.pid, terms=["retries"], score=1)),
            lease.model_copy(update={"terms": ["lease"]}),
        ],
        passages=dict(PASSAGES),
    )


def test_a_report_drops_what_does_not_hold_and_says_so() -> None:
    """The sentence goes, its topic counts as not found, and the sources tell that one was left out."""
    honest = write_report(_analysis(), "Retries and lease")
    forged = write_report(
        _analysis(lambda finding: finding.model_copy(update={"text": "The broker does retry a failed message."})),
        "Retries and lease",
    )

    assert TEXT in honest.text
    assert "What was not found" not in honest.text
    assert "does retry" not in forged.text
    assert "No statement about retries." in forged.text
    assert "1 left out" in forged.text
    assert forged.report.citations == CitationCounts(total=2, ok=1, dropped=1)


def test_a_difference_with_a_forged_side_is_not_printed() -> None:
    """Both sides must hold."""
    true, false = Side(text=TEXT, quote=QUOTE, pid=PASSAGE.pid), Side(text="It does.", quote="It does.", pid="p1")

    def report(side: Side) -> str:
        pair = Difference(a=true, b=side, kind="negation")
        return write_report(_analysis().model_copy(update={"differences": [pair]}), "x").text

    assert "Where sources differ" in report(true)
    assert "Where sources differ" not in report(false)


def test_a_passage_that_was_changed_on_the_way_breaks_its_citations() -> None:
    """The quotation is looked up in the passage at hand, not in a copy."""
    changed: dict[str, Passage] = {
        PASSAGE.pid: PASSAGE.model_copy(update={"text": PASSAGE.text.replace("**not** ", "")})
    }

    assert write_report(_analysis().model_copy(update={"passages": changed}), "x").report.citations.dropped == 1
