"""The full-text index: built once, shared, rebuilt when damaged, bounded."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.tools import index as module
from actors.tools.index import PassageIndex, match_expression
from app.errors import Retryable
from app.model.task import Document

DOCUMENTS = [
    Document(name="retries.md", text="# Retries\n\nA failed message is tried again after a growing delay.\n"),
    Document(name="other.md", text="# Other\n\nRetrying is what this one mentions in passing among other words.\n"),
]


def _uris(index: PassageIndex, *words: str) -> list[str]:
    return [passage.uri for passage in index.search(words, 10)]


def test_a_word_in_the_title_counts_more_and_forms_of_it_count_alike(tmp_path: Path) -> None:
    """Title weight and porter stemming."""
    assert _uris(PassageIndex(DOCUMENTS, tmp_path), "retry") == ["retries.md", "other.md"]


@pytest.mark.parametrize("text", ['"', "a AND", "NEAR(", "title:x", "*", "^a", "{a b}", "-x", "'; DROP", "\0", "", "%"])
def test_no_query_text_is_syntax(tmp_path: Path, text: str) -> None:
    """Words reach the search quoted, or not at all."""
    index = PassageIndex(DOCUMENTS, tmp_path)

    assert isinstance(index.search([text, "delay"], 5), list)
    assert isinstance(index.search([text], 5), list)
    assert match_expression(["HTTP/2", 'a"b']) == '"http 2" OR "a b"'


def test_the_file_depends_on_the_content_alone(tmp_path: Path) -> None:
    """The same documents share a file; another text, name or order has its own."""
    index = PassageIndex(DOCUMENTS, tmp_path)
    edited = [DOCUMENTS[0], Document(name="other.md", text="Else.")]

    assert PassageIndex(list(DOCUMENTS), tmp_path).path == index.path
    assert len({PassageIndex(documents, tmp_path).path for documents in (DOCUMENTS, DOCUMENTS[::-1], edited)}) == 3


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "middle"])
def test_a_damaged_file_is_rebuilt(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with it, the search answers as before."""
    index = PassageIndex([*DOCUMENTS, Document(name="big.md", text="filler words here. " * 4000)], tmp_path)
    expected = _uris(index, "retry")
    content = index.path.read_bytes()
    middle = content[:4096] + os.urandom(len(content) - 8192) + content[-4096:]
    broken = {"empty": b"", "garbage": b"x" * 5000, "truncated": content[: len(content) // 2], "middle": middle}
    index.path.write_bytes(broken[damage])
    damaged = index.path.stat().st_ino

    assert _uris(index, "retry") == expected
    assert index.path.read_bytes() != broken[damage]
    assert index.path.stat().st_ino != damaged  # renamed into place, so no reader sees half a file


def test_threads_that_need_the_same_index_build_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of searches over one collection does not split its documents eight times."""
    built: list[Path] = []
    write = module._write

    def counted(path: Path, documents: list[Document]) -> None:
        built.append(path)
        write(path, documents)

    monkeypatch.setattr(module, "_write", counted)
    found: list[list[str]] = []

    threads = [
        threading.Thread(target=lambda: found.append(_uris(PassageIndex(DOCUMENTS, tmp_path), "retry")))
        for _ in range(8)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == [["retries.md", "other.md"]] * 8
    assert len(built) == 1


def test_processes_that_build_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    """Each renames a whole file into place."""
    program = (
        "import sys; from pathlib import Path; from actors.tools.index import PassageIndex; "
        "from app.model.task import Document; "
        "docs = [Document(name=f'{n}.md', text=f'# T{n}\\n\\n' + 'retry words and more. ' * 3000) for n in range(5)]; "
        "sys.stdin.read(); print(len(PassageIndex(docs, Path(sys.argv[1])).search(['retry'], 5)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(3)
    ]  # fmt: skip

    answers = [process.communicate("", timeout=60)[0].strip() for process in running]

    assert answers == ["5", "5", "5"]
    assert [file.suffix for file in tmp_path.iterdir()] == [".sqlite"]


def test_the_cache_keeps_the_newest_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And clears away what a dead builder left, not what a live one is writing."""
    monkeypatch.setattr(module, "INDEX_FILES_MAX", 3)
    for name, age_s in (("passages-dead.1-a.unfinished", 2 * module.LEFTOVER_S), ("passages-live.1-b.unfinished", 0)):
        (tmp_path / name).touch()
        built_at = (tmp_path / name).stat().st_mtime - age_s
        os.utime(tmp_path / name, (built_at, built_at))
    indexes = [PassageIndex([Document(name="a.md", text=f"Text number {n} here.")], tmp_path) for n in range(5)]

    for age, index in zip(range(50, 0, -10), indexes, strict=True):
        index.search(["text"], 1)
        os.utime(index.path, (index.path.stat().st_mtime - age,) * 2)

    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == sorted([*(index.path.name for index in indexes[-3:]), "passages-live.1-b.unfinished"])


def test_a_cache_that_cannot_be_written_is_passing_trouble(tmp_path: Path) -> None:
    """A full disk may have room later, so the step is retried."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Retryable, match="cannot be written"):
        PassageIndex(DOCUMENTS, tmp_path / "file").search(["retry"], 1)


def test_documents_without_text_give_an_empty_index(tmp_path: Path) -> None:
    """Nothing to find is not an error."""
    index = PassageIndex([Document(name="a.md", text=" \n")], tmp_path)

    assert index.search(["word"], 5) == []
    assert index.names() == []
