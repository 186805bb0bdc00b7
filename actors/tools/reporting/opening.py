"""What a report says in its own words: how much was found, of what, and that sources differ."""

from collections import Counter
from collections.abc import Iterable, Iterator

from actors.tools.analysing.findings import Analysis, Finding
from app.model.plan import Intent

TOPICS_MAX = 5
NUMBER_WORDS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def opening(analysis: Analysis) -> list[str]:
    """Sentences without a source, for they are about the search and not about its subject."""
    found = (analysis.findings, analysis.verdicts, analysis.procedures, analysis.differences, analysis.agreements)
    if not any(found):
        return [f"Nothing in {documents(analysis.documents)} answers this."]
    return [*_contents(analysis), *disagreements(analysis)]


def _contents(analysis: Analysis) -> Iterator[str]:
    if analysis.verdicts:
        yield _verdicts(analysis)
    elif len(analysis.subjects) > 1:
        yield from _by_part(analysis) if analysis.intent is Intent.OVERVIEW else _coverage(analysis)
    elif analysis.procedures:
        yield _procedures(analysis)
    elif analysis.intent is Intent.SUMMARY:
        yield from _summarised(analysis)


def _verdicts(analysis: Analysis) -> str:
    counts = Counter[str](ruling.verdict for ruling in analysis.verdicts)
    names = ("supported", "contradicted", "disputed", "not found")
    outcomes = [f"{counted(counts[name])} {_is(counts[name])} {name}" for name in names if counts[name]]
    total = len(analysis.verdicts)
    if total == 1:
        return _verdict(analysis.verdicts[0].verdict, analysis.documents)
    return f"Of the {total} statements {listed(outcomes)}."


def _verdict(verdict: str, count: int) -> str:
    if verdict == "not found":
        return f"Nothing in {documents(count)} says whether the statement holds."
    return f"The statement is {verdict}."


def _procedures(analysis: Analysis) -> str:
    titles = list(dict.fromkeys(f"“{procedure.about}”" for procedure in analysis.procedures if procedure.about))
    return f"The steps are those under {listed(titles)}." if titles else "The steps are those of the documents."


def _by_part(analysis: Analysis) -> Iterator[str]:
    """Of an overview only what is missing: its parts speak for themselves."""
    found = [name for name in analysis.subjects if any(finding.subject == name for finding in analysis.findings)]
    absent = [name for name in analysis.subjects if name not in found]
    if not found:
        yield f"The documents say nothing about {listed(absent, 'or')}."
    elif absent:
        yield f"Nothing was found about {listed(absent, 'or')}."
    elif analysis.intent is not Intent.OVERVIEW:
        yield contents(found)


def _coverage(analysis: Analysis) -> Iterator[str]:
    """Who is covered on what; topics on which it is the same share a sentence."""
    if not analysis.topics:
        yield from _by_part(analysis)
    alike: dict[tuple[str, ...], list[str]] = {}
    for topic in analysis.topics[:TOPICS_MAX]:
        covered = tuple(name for name in analysis.subjects if on(analysis, name, topic))
        alike.setdefault(covered, []).append(topic)
    for covered, topics in alike.items():
        absent = [name for name in analysis.subjects if name not in covered]
        if not covered:
            yield f"On {listed(topics, 'or')} the documents say nothing about {_all(analysis.subjects)}."
        elif not absent:
            yield f"On {listed(topics)} the documents have something to say about each of them."
        else:
            yield f"On {listed(topics)} the documents speak of {listed(list(covered))}, not of {listed(absent, 'or')}."


def _summarised(analysis: Analysis) -> Iterator[str]:
    """A summary has room for some documents only, and says so."""
    count = len({analysis.passages[finding.pid].uri for finding in analysis.findings})
    if 1 < count < analysis.documents:
        yield f"{counted(count).capitalize()} of the {analysis.documents} documents are summarised below."


def contents(names: Iterable[str]) -> str:
    """What a report is about whose sentences all have a better place than its summary."""
    about = list(names)
    return f"What the documents say about {listed(about)}." if about else "What was found stands below."


def disagreements(analysis: Analysis) -> Iterator[str]:
    """That sources differ, and on what."""
    if analysis.differences and not analysis.verdicts:
        about = list(dict.fromkeys(pair.about for pair in analysis.differences if pair.about))
        yield f"The sources do not agree on {listed(about)}." if about else "The sources do not agree everywhere."


def on(analysis: Analysis, subject: str, topic: str) -> list[Finding]:
    """The findings about a subject that cover a topic."""
    return [finding for finding in analysis.findings if finding.subject == subject and topic in finding.terms]


def documents(count: int) -> str:
    """The documents that were searched, as a sentence has them."""
    return f"the {count} documents searched" if count > 1 else "the document searched"


def listed(parts: list[str], word: str = "and") -> str:
    """A list as a sentence has it: "a, b and c"."""
    return " ".join([", ".join(parts[:-1]), word, parts[-1]]) if len(parts) > 1 else "".join(parts)


def counted(number: int) -> str:
    return NUMBER_WORDS.get(number, str(number))


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _all(names: list[str]) -> str:
    return "either of the two" if len(names) == 2 else f"any of the {counted(len(names))}"
