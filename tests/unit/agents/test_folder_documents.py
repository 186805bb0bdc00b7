"""What counts as a document: folders on disk, collections by name, documents of a task."""

from pathlib import Path

import pytest

from actors.tools.documents import load_documents
from app import documents as folder
from app.documents import DocumentError, DocumentUnreadable, read_folder
from app.errors import Permanent
from app.model.task import Document
from tests.unit.agents.conftest import Bench


def _write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_texts_of_a_folder_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    """Markdown, text and reStructuredText at any depth; other and hidden files are passed over."""
    root = _write(tmp_path, b_md="B", a__c_rst="C", a__a_TXT="A", d_markdown="D", x_py="no", __git__e_md="no")

    found = read_folder(root)

    assert [document.name for document in found] == ["a/a.TXT", "a/c.rst", "b.md", "d.markdown"]
    assert [document.text for document in found] == ["A", "C", "B", "D"]


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    """Links within the folder count, files and folders beyond it do not."""
    outside = _write(tmp_path / "outside", secret_md="secret")
    root = _write(tmp_path / "inside", a_md="A")
    (root / "b.md").symlink_to(root / "a.md")
    (root / "c.md").symlink_to(outside / "secret.md")
    (root / "d").symlink_to(outside, target_is_directory=True)

    found = read_folder(root)

    assert [document.name for document in found] == ["a.md", "b.md"]


@pytest.mark.parametrize("content", [b"caf\xe9", b"\xff\xfea\x00", b"a\x00b"], ids=["latin-1", "utf-16", "nul"])
def test_a_file_that_is_not_utf8_text_is_named_in_the_error(tmp_path: Path, content: bytes) -> None:
    """A report that silently lacks a document would be wrong, so reading stops."""
    (tmp_path / "menu.txt").write_bytes(content)

    with pytest.raises(DocumentError, match=r"menu\.txt' is not (UTF-8 )?text"):
        read_folder(tmp_path)


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbf# Title")

    assert read_folder(tmp_path)[0].text == "# Title"


def test_an_empty_folder_a_file_and_a_missing_path_are_refused(tmp_path: Path) -> None:
    """Each with one sentence that names the path."""
    (tmp_path / "a.md").write_text("A")
    (tmp_path / "empty").mkdir()

    with pytest.raises(DocumentError, match="holds no Markdown"):
        read_folder(tmp_path / "empty")
    for path in (tmp_path / "a.md", tmp_path / "missing"):
        with pytest.raises(DocumentError, match="is not a folder"):
            read_folder(path)


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [("FILE_BYTES_MAX", 59, "larger than"), ("FOLDER_BYTES_MAX", 119, "together"), ("FILES_MAX", 1, "more than 1")],
)
def test_size_and_count_have_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, words: str
) -> None:
    """One file, all files together, and their number."""
    _write(tmp_path, a_md="x" * 60, b_md="x" * 60)
    assert len(read_folder(tmp_path)) == 2
    monkeypatch.setattr(folder, limit, value)

    with pytest.raises(DocumentError, match=words):
        read_folder(tmp_path)


def test_a_file_the_system_refuses_may_be_readable_later(tmp_path: Path) -> None:
    """The error is of the kind that a step retries."""
    loop = tmp_path / "a.md"
    loop.write_text("A")

    with pytest.raises(DocumentUnreadable, match="cannot be read"):
        folder._content(tmp_path / "gone.md")


@pytest.mark.anyio
async def test_a_task_has_its_own_documents_and_those_of_its_collection(bench: Bench, tmp_path: Path) -> None:
    """The collection's name is part of the documents' names."""
    ctx = bench.context(
        documents=[Document(name="own.md", text="own")],
        collection="docs",
        collections={"docs": _write(tmp_path / "docs", a_md="A")},
    )

    found = await load_documents(ctx)

    assert [document.name for document in found] == ["own.md", "docs/a.md"]


@pytest.mark.anyio
async def test_no_documents_and_an_unknown_collection_can_never_work(bench: Bench, tmp_path: Path) -> None:
    """So the step fails at once instead of being retried."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.md").write_bytes(b"\xff")
    collections = {"bad": tmp_path / "bad"}

    for collection, code in ((None, "no_documents"), ("nope", "unknown_collection"), ("bad", "bad_documents")):
        with pytest.raises(Permanent) as caught:
            await load_documents(bench.context(collection=collection, collections=collections))
        assert caught.value.code == code
