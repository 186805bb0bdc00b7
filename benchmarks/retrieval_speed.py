"""
How fast is the index made, how fast does it answer, and how much memory does a large folder take?

    python -m benchmarks.retrieval_speed [--mb 20] [--large-mb 1000]

The texts are real: Python's documentation as Debian packages it, over and over with other words in it, so that copies
are no duplicates. Plain FTS5 (one column, stemmed, any word of the question) runs on the same passages in the same
process, so that the ratio says what passages, ranking and an index on disk cost.
"""

import argparse
import random
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import fmean, median, quantiles

from actors.tools.retrieval.corpora import Folder
from actors.tools.retrieval.index import PassageIndex
from actors.tools.retrieval.search import find_passages
from actors.tools.splitting.passages import cut, visible
from app.documents.folder import list_folder, read_entry
from app.documents.readers import read
from benchmarks.quality.corpora import corpus

MIB = 1 << 20
QUERIES = (
    "How do I read a CSV file with a different delimiter?",
    "What happens when a thread raises an exception?",
    "asyncio cancel task timeout",
    "difference between lists and tuples",
    "format a date as ISO string",
    "How does garbage collection find cycles?",
    "subprocess run capture output",
    "logging configuration handlers from a file",
    "parse command line arguments subcommands",
    "compare deque and list performance",
)
ROUNDS = 10
WORD = re.compile(r"\w+")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval_speed", description=__doc__.split("\n")[1])
    parser.add_argument("--mb", type=int, default=20, help="size of the folder that is searched, MiB")
    parser.add_argument("--large-mb", type=int, default=1_000, help="size of the folder whose memory is watched, MiB")
    parser.add_argument("--watched", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.watched:
        index_and_tell(chosen.watched)
        return
    with tempfile.TemporaryDirectory() as scratch:
        searched(Path(scratch), chosen.mb)
        if chosen.large_mb:
            watched(Path(scratch), chosen.large_mb)


def searched(scratch: Path, mb: int) -> None:
    size = write_texts(scratch / "docs", mb * MIB)
    index = PassageIndex(Folder(scratch / "docs"), scratch / "cache")
    built_s, built_cpu_s = timed(index.build)
    again_s, _ = timed(index.build)
    with index.view() as view:
        passages = view.passages
    rows = [visible(part.text) for part in all_parts(scratch / "docs")]
    with closing(sqlite3.connect(":memory:")) as db:
        plain_s, plain_cpu_s = timed(lambda: fill(db, rows))
        ours = spread_ms(lambda query: find_passages(index, query, 8))
        plain = spread_ms(lambda query: ask(db, query))
    on_disk = sum(path.stat().st_size for path in (scratch / "cache").iterdir())
    print(f"\n{size / MIB:.0f} MiB in {len(list_folder(scratch / 'docs').entries)} documents, {passages} passages\n")
    print("| | ours | plain FTS5, given the passages | ratio |\n|---|---|---|---|")
    print(f"| index, s | {built_s:.2f} | {plain_s:.2f} | {built_s / plain_s:.1f} |")
    print(f"| index, CPU s | {built_cpu_s:.2f} | {plain_cpu_s:.2f} | {built_cpu_s / plain_cpu_s:.1f} |")
    for name, at in (("p50, ms", 0), ("p99, ms", 1), ("mean, CPU ms", 2)):
        print(f"| query {name} | {ours[at]:.1f} | {plain[at]:.1f} | {ours[at] / plain[at]:.1f} |")
    print(f"| nothing changed, s | {again_s:.3f} | | |\n| on disk, MiB | {on_disk / MIB:.0f} | | |")


def watched(scratch: Path, mb: int) -> None:
    """In a process of its own, whose memory nothing else has touched."""
    shutil.rmtree(scratch / "docs")
    write_texts(scratch / "docs", mb * MIB)
    command = [sys.executable, "-m", "benchmarks.retrieval_speed", "--watched", str(scratch)]
    print(f"\n{mb} MiB: {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}")


def index_and_tell(scratch: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    index = PassageIndex(Folder(scratch / "docs"), scratch / "large")
    built_s, _ = timed(index.build)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    again_s, _ = timed(index.build)
    query_ms = median(timed(lambda query=query: find_passages(index, query, 8))[0] for query in QUERIES) * 1000
    on_disk = sum(path.stat().st_size for path in (scratch / "large").iterdir()) / MIB
    print(
        f"indexed in {built_s:.0f} s, largest memory {after} MiB ({before} before), {on_disk:.0f} MiB on disk, "
        f"nothing changed {again_s:.2f} s, query p50 {query_ms:.0f} ms"
    )


def write_texts(folder: Path, size: int) -> int:
    """Documents of that many bytes together: the real ones, then variants in which words have changed places."""
    written = 0
    for number, (name, text) in enumerate(texts()):
        path = folder / f"{number // 200}" / f"{number}-{Path(name).name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written += len(text.encode())
        if written >= size:
            return written
    return written


def texts() -> Iterator[tuple[str, str]]:
    sources = [(name, document.plain) for name, document in corpus("python").items() if name.endswith(".rst")]
    words = sorted({word for _, text in sources for word in WORD.findall(text) if len(word) > 4})
    yield from sources
    for seed in range(1_000_000):
        shuffled = words.copy()
        random.Random(seed).shuffle(shuffled)
        # A third of the longer words become others, so that lengths, markup and frequencies stay like those of texts.
        other = dict(zip(words[::3], shuffled, strict=False))
        for name, text in sources:
            yield name, WORD.sub(lambda match, other=other: other.get(match[0], match[0]), text)


def all_parts(folder: Path) -> Iterator[object]:
    for entry in list_folder(folder).entries:
        yield from cut(read(entry.name, read_entry(entry))).slices


def fill(db: sqlite3.Connection, rows: list[str]) -> None:
    db.execute("CREATE VIRTUAL TABLE lookup USING fts5(text, tokenize='porter unicode61')")
    db.executemany("INSERT INTO lookup (text) VALUES (?)", ((row,) for row in rows))
    db.commit()


def ask(db: sqlite3.Connection, query: str) -> object:
    match = " OR ".join(f'"{word}"' for word in WORD.findall(query))
    sql = "SELECT rowid, text FROM lookup WHERE lookup MATCH ? ORDER BY bm25(lookup) LIMIT 8"
    return db.execute(sql, (match,)).fetchall()


def timed(call: Callable[[], object]) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - cpu


def spread_ms(call: Callable[[str], object]) -> tuple[float, float, float]:
    """(p50, p99, mean of CPU) over all queries, after one round to warm up."""
    for query in QUERIES:
        call(query)
    found = [timed(lambda query=query: call(query)) for _ in range(ROUNDS) for query in QUERIES]
    wall_ms = [wall_s * 1000 for wall_s, _ in found]
    return median(wall_ms), quantiles(wall_ms, n=100)[98], fmean(cpu_s for _, cpu_s in found) * 1000


if __name__ == "__main__":
    main()
