"""What an analysis picks, misses and sets against each other."""

import os
import subprocess
import sys

import pytest

from actors.tools.analysing.analysis import analyse
from actors.tools.analysing.findings import Analysis
from actors.tools.analysing.question import read_question
from actors.tools.splitting.passages import split
from actors.tools.text.words import content_words, stem
from app.model.task import Document


def _analyse(question: str, subjects: list[str] | None = None, **documents: str) -> Analysis:
    passages = [
        passage
        for name, text in documents.items()
        for passage in split(Document(name=f"{name}.md", text=text))
    ]  # fmt: skip
    return analyse(question, subjects or [], passages)


def _pairs(analysis: Analysis) -> list[tuple[str, str]]:
    return [(gap.subject, gap.term) for gap in analysis.gaps]


ALPHA = "# alpha\n\nAlpha is a broker for small teams. It retries every failed message five times in a row.\n"
BETA = "# beta\n\nBeta is a broker for large teams. Beta has an error page that lists all failed messages.\n"


@pytest.mark.parametrize("word", ["retry", "retries", "retrying", "retried", "Retry"])
def test_forms_of_a_word_have_one_stem(word: str) -> None:
    """And neighbours do not fall together."""
    assert stem(word) == "retri"
    assert stem("exceptions") != stem("except")


def test_a_question_is_its_topic_words() -> None:
    """Words that ask for the work, and empty ones, are no topics; versions stay whole."""
    assert content_words("Please compare how A handles errors, and write a short summary") == ["errors"]
    assert content_words("Does it support HTTP/2 on Python 3.9?") == ["support", "HTTP/2", "Python", "3.9"]


def test_each_subject_gets_its_own_sentences_and_gaps() -> None:
    """A sentence belongs to the document's subject; what no sentence covers is a gap."""
    found = _analyse("Compare how alpha and beta handle retries", ["alpha", "beta"], alpha=ALPHA, beta=BETA)

    by_subject = {name: [f.text for f in found.findings if f.subject == name] for name in ("alpha", "beta")}
    assert any("retries every failed message" in text for text in by_subject["alpha"])
    assert by_subject["beta"] == ["Beta is a broker for large teams."]
    assert _pairs(found) == [("beta", "retries")]


def test_an_unknown_subject_has_nothing_at_all() -> None:
    """It is named as such and gets no sentence of the others."""
    found = _analyse("Compare retries", ["alpha", "gamma"], alpha=ALPHA, beta=BETA)

    assert _pairs(found) == [("gamma", "")]
    assert {finding.subject for finding in found.findings} == {"alpha"}


def test_a_sentence_about_another_subject_is_not_put_into_the_mouth_of_the_documents_own() -> None:
    """Neither when it names the other nor when its section is about something else."""
    text = (
        ALPHA + "\n## Delta\n\nDelta retries nothing at all by itself.\n\n## More\n\nBeta retries only once per day.\n"
    )

    found = _analyse("Compare how alpha and beta handle retries", ["alpha", "beta"], alpha=text, beta=BETA)

    texts = {(f.subject, f.text) for f in found.findings}
    assert ("beta", "Beta retries only once per day.") in texts
    assert not any("Delta" in text for _, text in texts)


def test_documents_named_in_the_question_are_its_subjects() -> None:
    """Unless the step names its own."""
    passages = split(Document(name="alpha.md", text=ALPHA)) + split(Document(name="beta.md", text=BETA))

    assert [subject.name for subject in read_question("What is alpha?", [], passages).subjects] == ["alpha"]
    assert [subject.name for subject in read_question("What is alpha?", ["beta"], passages).subjects] == ["beta"]


def test_other_numbers_for_the_same_thing_are_a_difference() -> None:
    """Between two documents, not within one, and not between two subjects."""
    a, b = "The lease lasts 10 seconds by default.", "By default the lease lasts 30 seconds."

    differing = _analyse("How long is the lease?", None, guide=a, manual=b)

    assert [(pair.kind, {pair.a.text, pair.b.text}) for pair in differing.differences] == [("numbers", {a, b})]
    assert not _analyse("How long is the lease?", None, guide=f"{a} {b}").differences
    assert not _analyse("How long is the lease?", None, guide=a, manual=a).differences
    assert not _analyse("How long is the lease?", ["guide", "manual"], guide=a, manual=b).differences


def test_one_document_denying_another_is_a_difference() -> None:
    """Nearly the same words, one of them with a "not"."""
    a, b = "The broker retries failed messages by itself.", "The broker does not retry failed messages by itself."

    found = _analyse("Does the broker retry?", None, guide=a, manual=b)

    assert [pair.kind for pair in found.differences] == ["negation"]
    assert not _analyse("Does it retry?", None, guide=a, manual="Workers do not pay rent in winter.").differences


def test_sentences_that_repeat_each_other_are_taken_once() -> None:
    """Diversity over repetition."""
    found = _analyse(
        "retries", None, a="The broker retries messages. " * 9, b="The broker retries messages quickly now."
    )

    assert len(found.findings) == len({finding.text for finding in found.findings}) <= 2


def test_a_topic_is_never_missing_because_other_sentences_filled_the_place() -> None:
    """With more topics than places, and when the only sentence on one repeats the introduction."""
    words = ["caching", "logging", "routing", "signing", "tracing", "polling", "sorting"]
    text = "# alpha\n\nAlpha is a broker for small teams. " + "".join(
        f"It does {word} for every message that comes in today. " for word in words
    )

    found = _analyse(f"How does alpha do {' and '.join(words)}?", ["alpha"], alpha=text)

    assert found.gaps == []


def test_only_cited_passages_are_handed_on() -> None:
    """And every finding's passage is among them, with the quotation in it."""
    found = _analyse("retries", None, alpha=ALPHA, beta=BETA, other="Nothing of interest stands in this one.")

    assert set(found.passages) == {finding.pid for finding in found.findings}
    assert all(finding.quote in found.passages[finding.pid].text for finding in found.findings)


def test_no_passages_give_an_empty_analysis_with_gaps() -> None:
    """Nothing found is an answer too."""
    found = analyse("How are retries handled?", [], [])

    assert (found.findings, found.passages, _pairs(found)) == ([], {}, [("", "retries")])


def test_every_process_comes_to_the_same_analysis() -> None:
    """The order of sets must not show, whatever the hash seed."""
    program = (
        "from actors.tools.analysing.analysis import analyse; from actors.tools.splitting.passages import split; "
        "from app.model.task import Document; import importlib.metadata as m; "
        "names = ['lupa', 'orjson', 'rich']; "
        "ps = [p for n in names for p in split(Document(name=n + '.md', text=str(m.metadata(n).get_payload())))]; "
        "print(analyse('Compare errors, performance and types', names[1:], ps).model_dump_json())"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]

    answers = [process.communicate(timeout=60)[0] for process in running]

    assert answers[0] == answers[1]
    assert len(answers[0]) > 1000


@pytest.mark.parametrize("form", ["in five bullets", "in two short sentences", "as a table", "for beginners"])
def test_the_form_of_an_answer_is_no_topic(form: str) -> None:
    """Nobody looks for it in the documents."""
    assert [topic.word for topic in read_question(f"Explain the retries {form}", [], [], []).topics] == ["retries"]


def test_where_nothing_speaks_of_what_is_asked_nothing_answers() -> None:
    """One word of several, in another sense, is no answer: the gap is told, and nothing is cited."""
    text = "Delta leaves circular references in place. See the security policy of the repository for all the rest."
    passages = split(Document(name="delta.md", text=text))

    analysis = analyse("How is parental leave paid out?", [], passages)

    assert (analysis.findings, [gap.term for gap in analysis.gaps]) == ([], ["parental leave paid"])
