"""Three ways to rank the same passages for a question: ours, plain FTS5, and bm25s in an environment of its own."""

import json
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path

from actors.tools.retrieval.corpora import Given
from actors.tools.retrieval.index import PassageIndex
from actors.tools.retrieval.search import find_passages, search
from actors.tools.splitting.passages import Passage, split
from app.model.task import Document
from benchmarks.rival_catalogue import Rival
from benchmarks.rival_environments import environment_of

from .corpora import CACHE
from .documents import readable
from .harness import plan_for

BM25S = Rival("bm25s", [], ("bm25s==0.3.16", "PyStemmer==3.1.0"))
WORD = re.compile(r"\w+")
RANKED = 10

Ask = Callable[[PassageIndex, str], list[Passage]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """For each question the passages, best first, as (document, text); what building and asking cost."""

    found: list[list[tuple[str, str]]]
    built_s: float
    query_ms: list[float]


def ours(documents: list[Document], queries: Sequence[str]) -> Ranking:
    """The index that the retriever builds, and its search."""
    return _asked(documents, queries, lambda index, query: find_passages(index, query, RANKED))


def planned(documents: list[Document], queries: Sequence[str]) -> Ranking:
    """The same, asked what the planner makes of the question; the findings of several searches in turns."""
    return _asked(documents, queries, _as_planned)


def _as_planned(index: PassageIndex, task: str) -> list[Passage]:
    searches = [step.payload for step in plan_for(task).steps if step.agent == "retriever"]
    found = [
        search([index], str(asked["text"]), RANKED, [str(query) for query in asked.get("queries", [])]).passages
        for asked in searches
        if isinstance(asked, dict)
    ]
    in_turns = [passage for row in zip_longest(*found) for passage in row if passage is not None]
    return list({passage.pid: passage for passage in in_turns}.values())[:RANKED]


def _asked(documents: list[Document], queries: Sequence[str], ask: Ask) -> Ranking:
    folder = CACHE / "index"
    for old in folder.glob("*"):
        old.unlink()
    began = time.perf_counter()
    index = PassageIndex(Given(documents), folder)
    index.build()
    built_s = time.perf_counter() - began
    found, query_ms = [], []
    for query in queries:
        began = time.perf_counter()
        passages = ask(index, query)
        query_ms.append((time.perf_counter() - began) * 1000)
        found.append([(passage.uri, passage.text) for passage in passages])
    return Ranking(found, built_s, query_ms)


def fts5(documents: list[Document], queries: Sequence[str]) -> Ranking:
    """SQLite's full-text search as a first attempt has it: one column, stemmed, any word of the question."""
    passages = _passages(documents)
    with closing(sqlite3.connect(":memory:")) as db:
        began = time.perf_counter()
        db.execute("CREATE VIRTUAL TABLE lookup USING fts5(text, tokenize='porter unicode61')")
        db.executemany("INSERT INTO lookup (text) VALUES (?)", [(_searchable(passage),) for passage in passages])
        built_s = time.perf_counter() - began
        found, query_ms = [], []
        for query in queries:
            began = time.perf_counter()
            match = " OR ".join(f'"{word}"' for word in WORD.findall(query))
            sql = f"SELECT rowid FROM lookup WHERE lookup MATCH ? ORDER BY bm25(lookup) LIMIT {RANKED}"
            best = [passages[row[0] - 1] for row in db.execute(sql, (match,))]
            query_ms.append((time.perf_counter() - began) * 1000)
            found.append([(passage.uri, passage.text) for passage in best])
    return Ranking(found, built_s, query_ms)


def bm25s(documents: list[Document], queries: Sequence[str]) -> Ranking:
    """The library, with its stop words and Snowball's stemmer. Raises `NotInstalled`."""
    passages = _passages(documents)
    python = environment_of(BM25S, CACHE / "environments") / "python"
    given = {"passages": [_searchable(passage) for passage in passages], "queries": list(queries), "limit": RANKED}
    program = Path(__file__).parent / "bm25s_program.py"
    done = subprocess.run(
        [str(python), str(program)], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    found = [[(passages[at].uri, passages[at].text) for at in ranked] for ranked in answer["found"]]
    return Ranking(found, answer["built_s"], answer["query_ms"])


ENGINES = {"ours": ours, "ours, as planned": planned, "plain FTS5": fts5, "bm25s": bm25s}


@cache
def cut(corpus: str) -> dict[str, list[tuple[str, str]]]:
    """All passages of a corpus by document."""
    found: dict[str, list[tuple[str, str]]] = {}
    for passage in _passages(readable(corpus)):
        found.setdefault(passage.uri, []).append((passage.uri, passage.text))
    return found


def _passages(documents: list[Document]) -> list[Passage]:
    return [passage for document in documents for passage in split(document)]


def _searchable(passage: Passage) -> str:
    return f"{passage.title}\n{passage.heading}\n{passage.text}"
