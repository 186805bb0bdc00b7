"""Are contradictions between sources found, and nothing else? Planted ones and real ones apart."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import PurePosixPath
from typing import Any

from app.model.task import Document

from .corpora import CACHE
from .documents import readable
from .harness import TaskRun, run_task
from .questions import Pair, Place, RealDifference, words

Said = tuple[str, str]  # document, sentence


@dataclass
class Outcome:
    """Of a set of pairs: found per kind, and what was reported besides."""

    planted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    reached: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    harmless: int = 0
    alarms: int = 0
    other: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return sum(self.found.values()) / max(1, sum(self.planted.values()))

    @property
    def precision(self) -> float:
        """Of everything reported in all runs: what was planted."""
        good = sum(self.found.values())
        return good / max(1, good + self.alarms + self.other)


def planted(pairs: Sequence[Pair]) -> Outcome:
    """Each pair is a task of its own over the document and what contradicts it or does not."""
    outcome = Outcome()
    for pair in pairs:
        documents, places = _documents(pair)
        kind = pair.kind if pair.kind == "none" else f"{pair.mode}, {pair.kind}"
        _count(outcome, pair.id, kind, places, run_task(pair.question, documents, CACHE / "pairs"))
    return outcome


def real(differences: Sequence[RealDifference]) -> Outcome:
    """Over the two documents that do not agree, or only look so."""
    outcome = Outcome()
    for one in differences:
        documents = [document for document in readable(one.corpus) if document.name in (one.a[0], one.b[0])]
        _count(outcome, one.id, one.kind, (one.a, one.b), run_task(one.question, documents, CACHE / "pairs"))
    return outcome


def reported(asked: Sequence[tuple[str, str]]) -> list[tuple[Said, Said]]:
    """Every difference that reports on whole corpora tell of: to be judged by a person, for there are few real ones."""
    told = [pair for corpus, task in asked for pair in _said(run_task(task, readable(corpus), CACHE / "reports"))]
    return list(dict.fromkeys(told))


def _documents(pair: Pair) -> tuple[list[Document], tuple[Place, Place]]:
    document = next(document for document in readable(pair.corpus) if document.name == pair.document)
    path = PurePosixPath(pair.document)
    if pair.mode == "copy":
        loosely = r"\s+".join(re.escape(word) for word in pair.original.split())
        text, times = re.subn(loosely, lambda _: pair.altered, document.text, count=1)
        if not times:
            raise SystemExit(f"{pair.id}: not in the document as it is read: {pair.original}")
        other = Document(name=f"second-edition/{path.name}", text=text)
    else:
        other = Document(name="notes.md", text=f"# Notes on {path.name.partition('.')[0]}\n\n{pair.altered}\n")
    return [document, other], ((pair.document, pair.original), (other.name, pair.altered))


def _said(run: TaskRun) -> list[tuple[Said, Said]]:
    """The two sides of every difference of the report, and of every statement that some documents deny."""
    report: dict[str, Any] = run.report.data  # type: ignore[assignment]
    uris = {source["number"]: source["uri"] for source in report["sources"]}
    sides = [(difference["a"], difference["b"]) for difference in report["differences"]]
    for ruling in report["rulings"]:
        sides += product(ruling["evidence"], ruling["against"])
    told = [((uris[a["sources"][0]], a["text"]), (uris[b["sources"][0]], b["text"])) for a, b in sides]
    return list(dict.fromkeys(told))


def _reached(run: TaskRun, places: tuple[Place, Place]) -> bool:
    """Whether the retriever brought both sides, without which nobody can compare them."""
    passages = [passage for data in run.left_by("retriever") for passage in data["passages"]]
    return all(
        any(uri == passage["uri"] and words(quote) in words(passage["text"]) for passage in passages)
        for uri, quote in places
    )


def _count(outcome: Outcome, name: str, kind: str, places: tuple[Place, Place], run: TaskRun) -> None:
    told = _said(run)
    hits = [pair for pair in told if _is(pair, places) or _is(pair[::-1], places)]
    if kind == "none":
        outcome.harmless += 1
        outcome.alarms += len(hits)
        outcome.faults += [f"{name}: no contradiction: {pair}" for pair in hits]
    else:
        outcome.planted[kind] += 1
        outcome.found[kind] += bool(hits)
        outcome.reached[kind] += (reached := _reached(run, places))
        outcome.faults += [] if hits else [f"{name}: not found{'' if reached else ', not retrieved'}: {places}"]
    outcome.other += len(told) - len(hits)
    outcome.faults += [f"{name}: nobody planted: {pair}" for pair in told if pair not in hits]


def _is(told: Sequence[Said], places: tuple[Place, Place]) -> bool:
    return all(
        said[0] == place[0] and (words(place[1]) in words(said[1]) or words(said[1]) in words(place[1]))
        for said, place in zip(told, places, strict=True)
    )
