"""The full-text index: built once, shared, kept up to date piece by piece, rebuilt when damaged, bounded."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.tools.retrieval import index_cache, indexing
from actors.tools.retrieval.corpora import Content, Corpus, Folder, Given, Item
from actors.tools.retrieval.index import PassageIndex, match_expression
from actors.tools.retrieval.index_file import MADE_BY, ROOT, IndexFile, made_by
from actors.tools.retrieval.indexing import Done, Stopped, Watch
from app.documents.folder import Skipped
from app.errors import Retryable
from app.model.task import Document

DOCUMENTS = [
    Document(name="retries.md", text="# Retries\n\nA failed message is tried again after a growing delay.\n"),
    Document(name="other.md", text="# Other\n\nRetrying is what this one mentions in passing among other words.\n"),
]


def _index(documents: list[Document], folder: Path) -> PassageIndex:
    return PassageIndex(Given(documents), folder)


def _uris(index: PassageIndex, *words: str) -> list[str]:
    with index.view() as view:
        return [passage.uri for passage in view.search(words, 10)]


class Counted:
    """A corpus that remembers which documents were fetched."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.key = corpus.key
        self.fetched: list[str] = []

    def items(self) -> list[Item]:
        return self._corpus.items()

    def fetch(self, item: Item) -> Content:
        self.fetched.append(item.name)
        return self._corpus.fetch(item)

    def left_out(self) -> list[Skipped]:
        return self._corpus.left_out()


def _settled(path: Path, text: str, age_s: int) -> None:
    """A file as it is some time after it was written."""
    path.write_text(text)
    os.utime(path, (age_s, age_s))


@pytest.fixture(autouse=True)
def _clock_without_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are settled as soon as they are written."""
    monkeypatch.setattr("app.documents.folder.TICK_NS", 0)


def test_a_word_in_the_title_counts_more_and_forms_of_it_count_alike(tmp_path: Path) -> None:
    """Title weight and porter stemming."""
    assert _uris(_index(DOCUMENTS, tmp_path), "retry") == ["retries.md", "other.md"]


@pytest.mark.parametrize("text", ['"', "a AND", "NEAR(", "title:x", "*", "^a", "{a b}", "-x", "'; DROP", "\0", "", "%"])
def test_no_query_text_is_syntax(tmp_path: Path, text: str) -> None:
    """Words reach the search quoted, or not at all."""
    with _index(DOCUMENTS, tmp_path).view() as view:
        assert isinstance(view.search([text, "delay"], 5), list)
        assert isinstance(view.search([text], 5), list)
        assert isinstance(view.names_with([text], 5), list)
    assert match_expression(["HTTP/2", 'a"b']) == '"http 2" OR "a b"'


def test_texts_with_the_same_content_share_an_index(tmp_path: Path) -> None:
    """Another text, name or order has its own."""
    edited = [DOCUMENTS[0], Document(name="other.md", text="Else.")]

    assert Given(list(DOCUMENTS)).key == Given(DOCUMENTS).key
    assert len({Given(documents).key for documents in (DOCUMENTS, DOCUMENTS[::-1], edited)}) == 3
    _uris(_index(DOCUMENTS, tmp_path), "retry")
    again = Counted(Given(DOCUMENTS))
    assert _uris(PassageIndex(again, tmp_path), "retry") == ["retries.md", "other.md"]
    assert again.fetched == []


def test_two_documents_of_one_name_are_both_found(tmp_path: Path) -> None:
    """An upload may repeat a name."""
    twice = [Document(name="a.md", text="alpha one"), Document(name="a.md", text="alpha two")]

    with _index(twice, tmp_path).view() as view:
        assert {passage.text for passage in view.search(["alpha"], 5)} == {"alpha one", "alpha two"}
        assert {passage.text for passage in view.search(["alpha"], 5, uri="a.md")} == {"alpha one", "alpha two"}
        assert [passage.text for passage in view.opening("a.md", 5)] == ["alpha one", "alpha two"]


def test_of_a_folder_only_what_changed_is_read_again(tmp_path: Path) -> None:
    """Added, edited and removed documents, and one that was only touched."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("a", "b", "c"):
        _settled(folder / f"{name}.md", f"The {name} of alpha.", 1)
    corpus = Counted(Folder(folder))
    index = PassageIndex(corpus, tmp_path / "cache")
    index.build()
    assert corpus.fetched == ["a.md", "b.md", "c.md"]

    corpus.fetched.clear()
    index.build()
    assert corpus.fetched == []

    _settled(folder / "a.md", "The a of beta.", 2)
    _settled(folder / "b.md", "The b of alpha.", 3)
    (folder / "c.md").unlink()
    _settled(folder / "d.md", "The d of beta.", 1)
    index.build()

    assert corpus.fetched == ["a.md", "b.md", "d.md"]
    assert sorted(_uris(index, "beta")) == ["a.md", "d.md"]
    assert _uris(index, "alpha") == ["b.md"]


def test_a_document_that_cannot_be_read_is_remembered_with_its_reason(tmp_path: Path) -> None:
    """And read once it can be."""
    (tmp_path / "docs").mkdir()
    _settled(tmp_path / "docs" / "a.md", "fine", 1)
    (tmp_path / "docs" / "b.md").write_bytes(b"\0")
    corpus = Counted(Folder(tmp_path / "docs", "docs/"))
    index = PassageIndex(corpus, tmp_path / "cache")
    index.build()
    index.build()

    assert corpus.fetched == ["docs/a.md", "docs/b.md"]
    with index.view() as view:
        assert view.skipped(5) == [Skipped("docs/b.md", "is not text: it contains NUL bytes")]
        assert view.count() == 1

    _settled(tmp_path / "docs" / "b.md", "mended", 2)
    index.build()
    with index.view() as view:
        assert view.skipped(5) == []
        assert view.count() == 2


TEXTS = st.sampled_from(["alpha", "beta gamma", "alpha beta", "\0"])
STATE = st.dictionaries(st.sampled_from("abcde"), TEXTS, min_size=1)
EDITS = st.lists(STATE, max_size=5)


@settings(max_examples=12, deadline=None)
@given(EDITS)
def test_an_index_brought_up_to_date_is_the_one_built_anew(
    tmp_path_factory: pytest.TempPathFactory, states: list[dict[str, str]]
) -> None:
    """Whatever was added, edited and removed on the way: same passages, same scores."""
    root = tmp_path_factory.mktemp("edits")
    folder = root / "docs"
    folder.mkdir()
    index = PassageIndex(Folder(folder), root / "cache")
    for age, state in enumerate(states, start=1):
        for old in folder.iterdir():
            old.unlink()
        for name, text in state.items():
            _settled(folder / f"{name}.md", f"# Doc {name}\n\nText of {text}.", age)
        index.build()
        fresh = PassageIndex(Folder(folder), root / f"fresh-{age}")
        fresh.build()
        with index.view() as one, fresh.view() as other:
            assert one.names() == other.names()
            assert one.skipped(9) == other.skipped(9)
            for word in ("alpha", "beta", "doc"):
                assert one.search([word], 9) == other.search([word], 9)


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "middle", "gone"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with it, the search answers as before."""
    index = _index([*DOCUMENTS, Document(name="big.md", text="filler words here. " * 4000)], tmp_path)
    expected = _uris(index, "retry")
    path = index.file.path
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    middle = content[:8192] + os.urandom(len(content) - 16384) + content[-8192:]
    broken = {"empty": b"", "garbage": b"x" * 50_000, "truncated": content[: len(content) // 2], "middle": middle}
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(broken[damage])

    assert _uris(index, "retry") == expected
    assert index.file.path != path  # another name, so nobody mixes the two
    assert not path.exists()


def test_threads_that_need_the_same_index_build_it_once(tmp_path: Path) -> None:
    """A batch of searches over one collection does not split its documents eight times."""
    corpus = Counted(Given(DOCUMENTS))
    found: list[list[str]] = []

    threads = [
        threading.Thread(target=lambda: found.append(_uris(PassageIndex(corpus, tmp_path), "retry"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert found == [["retries.md", "other.md"]] * 8
    assert sorted(corpus.fetched) == ["other.md", "retries.md"]


BUILDER = """
import sys
from pathlib import Path
from actors.tools.retrieval.corpora import Given
from actors.tools.retrieval.index import PassageIndex
from actors.tools.retrieval.indexing import Watch
from app.model.task import Document

documents = [Document(name=f"{n}.md", text=f"# T{n}\\n\\n" + "retry words and more. " * 3000) for n in range(5)]
index = PassageIndex(Given(documents), Path(sys.argv[1]))
if sys.argv[2:]:
    import actors.tools.retrieval.indexing as indexing
    indexing.COMMIT_BYTES = 1
    def told(done):
        if done.documents == 3:
            print("three", flush=True)
            sys.stdin.read()
    index.refresh(Watch(told))
index.build()
with index.view() as view:
    print(len(view.search(["retry"], 5)))
"""


def _builder(folder: Path, *more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(folder), *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd(),
    )  # fmt: skip


def test_processes_share_the_work_and_survive_the_death_of_one(tmp_path: Path) -> None:
    """One is killed in the middle of the writing: what it had finished is kept, the other does the rest."""
    killed = _builder(tmp_path, "held")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "three\n"
    other = _builder(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)

    answer = other.communicate("", timeout=60)[0].strip()

    assert answer == "5"
    assert sum(path.suffix == ".sqlite" for path in tmp_path.iterdir()) == 1
    with sqlite3.connect(next(tmp_path.glob("*.sqlite"))) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM files").fetchone() == (5,)


def test_who_stops_waiting_stops_the_indexing_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between documents and within one."""
    monkeypatch.setattr(indexing, "COMMIT_BYTES", 1)
    documents = [Document(name=f"{n}.md", text=f"alpha {n}") for n in range(6)]
    corpus = Counted(Given(documents))
    index = PassageIndex(corpus, tmp_path)
    told: list[Done] = []

    with pytest.raises(Stopped):
        index.refresh(Watch(told.append, stopped=lambda: len(told) > 3))
    index.build()

    assert [done.documents for done in told] == [0, 1, 2, 3]
    assert len(corpus.fetched) <= 7
    assert len(_uris(index, "alpha")) == 6


def test_the_cache_keeps_what_was_used_last_within_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Number and bytes; what a dead writer left goes, what a live one is writing stays."""
    monkeypatch.setattr(index_cache, "INDEXES_MAX", 3)
    (tmp_path / "texts-a-b-dead.sqlite").touch()
    os.utime(tmp_path / "texts-a-b-dead.sqlite", (1, 1))
    indexes = [_index([Document(name="a.md", text=f"Text number {n} here.")], tmp_path) for n in range(5)]

    for age, index in enumerate(indexes):
        index.build()
        os.utime(index.file.lock, (age + 1, age + 1))
    with indexes[2].file.locked():
        index_cache.make_room(indexes[4].file)
    assert _keys(tmp_path) == {index.file.key for index in indexes[2:]}

    monkeypatch.setattr(index_cache, "INDEXES_BYTES_MAX", 1)
    index_cache.make_room(indexes[4].file)
    assert _keys(tmp_path) == {indexes[4].file.key}
    assert _uris(indexes[0], "number") == ["a.md"]


def _keys(folder: Path) -> set[str]:
    assert {path.name.rpartition("-")[0] for path in folder.glob("*.sqlite")} <= {p.stem for p in folder.glob("*.lock")}
    return {path.stem for path in folder.glob("*.lock")}


def test_a_cache_that_cannot_be_written_is_passing_trouble(tmp_path: Path) -> None:
    """A full disk may have room later, so the step is retried."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Retryable, match="cannot be written"):
        _index(DOCUMENTS, tmp_path / "file").build()


def test_documents_without_text_give_an_empty_index(tmp_path: Path) -> None:
    """Nothing to find is not an error."""
    with _index([Document(name="a.md", text=" \n")], tmp_path).view() as view:
        assert view.search(["word"], 5) == []
        assert view.names() == []


@pytest.mark.parametrize(
    "program",
    [
        "actors/tools/retrieval/indexing.py",
        "actors/tools/splitting/passages.py",
        "actors/tools/text/words.py",
        "app/documents/html.py",
    ],
)
def test_another_program_makes_another_index(tmp_path: Path, program: str) -> None:
    """The file is named after the code that fills it too, so an upgrade never reads what it would not have written."""
    for folder in MADE_BY:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert made_by(tmp_path) == made_by()

    with (tmp_path / program).open("a") as file:
        file.write("# changed\n")

    made_by.cache_clear()
    assert made_by(tmp_path) != made_by()
    assert IndexFile(tmp_path, "key").key == f"key-{made_by()}"
