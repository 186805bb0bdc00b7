"""A folder far larger than what indexing it may take of memory."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENTS, DOCUMENT_BYTES = 40, 2 << 20
GROWTH_BYTES_MAX = 96 << 20

PROGRAM = """
import resource, sys
from pathlib import Path
from actors.tools.retrieval.corpora import Folder
from actors.tools.retrieval.index import PassageIndex
from actors.tools.retrieval.search import find_passages

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

index = PassageIndex(Folder(Path(sys.argv[1])), Path(sys.argv[2]))
before = peak()
index.build()
found = find_passages(index, "station 3 of chapter 17", 8)
print(peak() - before, len(found), found[0].uri)
"""


@pytest.mark.full
def test_a_folder_of_80_mb_passes_through_a_fraction_of_that_memory(tmp_path: Path) -> None:
    """A document at a time, written in parts: the largest document counts, not their sum."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(DOCUMENTS):
        line = (
            f"The train of line {number} stops at station {{}} of chapter {number}, and nobody knows why it does.\n\n"
        )
        text = "".join(line.format(station) for station in range(DOCUMENT_BYTES // len(line)))
        (folder / f"{number}.md").write_text(f"# Line {number}\n\n{text}")

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path / "cache")],
        capture_output=True, text=True, check=False, timeout=600, cwd=Path(__file__).parents[2],
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    grown, found, first = done.stdout.split()
    assert int(grown) < GROWTH_BYTES_MAX
    assert (found, first) == ("8", "17.md")
