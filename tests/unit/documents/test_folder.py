"""What counts as a document of a folder, and what is said about the rest."""

import os
from pathlib import Path

import pytest

from app.documents import folder
from app.documents.errors import DocumentError, DocumentUnreadable
from app.documents.folder import Entry, Skipped, list_folder, read_entry, read_folder, stamp_of
from app.model.task import Document
from tests.unit.documents.pdf import pdf


def _write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_documents_of_a_folder_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    """Every format at any depth; hidden files and other people's packages are passed over."""
    root = _write(tmp_path, b_md="B", a__c_rst="C", a__a_TXT="A", d_html="<p>D", x_py="x = 1", __git__e_md="no")
    _write(root, node_modules__x_md="no")
    (root / "node.modules").rename(root / "node_modules")
    (root / "z.pdf").write_bytes(pdf("Z"))

    found = read_folder(root).documents

    assert [document.name for document in found] == ["a/a.TXT", "a/c.rst", "b.md", "d.html", "x.py", "z.pdf"]
    assert [document.text for document in found] == ["A", "C", "B", "D\n", "x = 1", "## Page 1\n\nZ\n"]


def test_what_is_left_out_is_named_with_the_reason(tmp_path: Path) -> None:
    """Nothing is lost in silence: documents by name, other files as a count of their kind."""
    root = _write(tmp_path / "inside", a_md="A", b_docx="PK", c_png="x", d_png="y")
    (root / "e.txt").write_bytes(b"a\0b")
    (root / "f.pdf").write_bytes(b"rubbish")
    (root / "g.md").symlink_to(_write(tmp_path / "outside", secret_md="secret") / "secret.md")
    (root / "h").symlink_to(tmp_path / "outside", target_is_directory=True)
    (root / "i.md").symlink_to(root / "a.md")
    os.mkfifo(root / "j.md")

    texts = read_folder(root)

    assert [document.name for document in texts.documents] == ["a.md", "i.md"]
    assert list_folder(root).others == {".png": 2}
    reasons = {skipped.name: skipped.reason for skipped in texts.skipped}
    assert reasons.pop("f.pdf").startswith("is a PDF that cannot be read")
    assert reasons == {
        "b.docx": "is of a kind that nothing here reads (.docx)",
        "e.txt": "is not text: it contains NUL bytes",
        "g.md": "is a link that leads out of the folder",
        "h": "is a link to a folder",
        "j.md": "is no regular file",
    }


def test_a_doubtful_encoding_is_noted(tmp_path: Path) -> None:
    """The document counts, and whoever reads the report may know."""
    (tmp_path / "menu.txt").write_bytes(b"caf\xe9")

    texts = read_folder(tmp_path)

    assert texts.documents == [Document(name="menu.txt", text="caf\u00e9")]
    assert texts.notes == [Skipped("menu.txt", "read as Windows-1252: it is not UTF-8")]


def test_a_folder_without_any_readable_document_is_refused(tmp_path: Path) -> None:
    """With one sentence that names the path and what is there instead."""
    (tmp_path / "a.md").write_text("A")
    (tmp_path / "empty").mkdir()
    _write(tmp_path / "pictures", a_png="x")
    _write(tmp_path / "old", a_doc="x")

    for name, words in (
        ("empty", "holds no document"), ("pictures", "other files: 1 .png"), ("old", r"'a\.doc' is of a kind"),
        ("a.md", "is not a folder"), ("missing", "is not a folder"),
    ):  # fmt: skip
        with pytest.raises(DocumentError, match=words):
            read_folder(tmp_path / name)


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [("FOLDER_BYTES_MAX", 119, "together"), ("TEXTS_BYTES_MAX", 119, "together"), ("FILES_MAX", 1, "more than 1")],
)
def test_size_and_count_have_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, words: str
) -> None:
    """All files together and their number: beyond them the folder is refused."""
    _write(tmp_path, a_md="x" * 60, b_md="x" * 60)
    assert len(read_folder(tmp_path).documents) == 2
    monkeypatch.setattr(folder, limit, value)

    with pytest.raises(DocumentError, match=words):
        read_folder(tmp_path)


def test_a_file_that_is_too_large_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is listed, and also when it grew since."""
    monkeypatch.setattr(folder, "FILE_BYTES_MAX", 5)
    _write(tmp_path, a_md="short", b_md="longer")

    assert read_folder(tmp_path).skipped == [Skipped("b.md", "is larger than 0 MiB")]
    with pytest.raises(DocumentError, match="larger than"):
        read_entry(Entry("b.md", tmp_path / "b.md", 5, ""))


def test_a_file_the_system_refuses_may_be_readable_later(tmp_path: Path) -> None:
    """That is another kind of error than a file that is gone or closed to us."""
    with pytest.raises(DocumentUnreadable, match="cannot be read"):
        read_entry(Entry("a", tmp_path, 0, ""))
    with pytest.raises(DocumentError, match=r"^'gone\.md' cannot be read") as caught:
        read_entry(Entry("gone.md", tmp_path / "gone.md", 0, ""))
    assert not isinstance(caught.value, DocumentUnreadable)


def test_the_stamp_of_a_file_changes_with_it(tmp_path: Path) -> None:
    """So that only what changed is read again; a file that is still being written is never taken for settled."""
    path = _write(tmp_path, a_md="A") / "a.md"
    before = path.stat()
    now_ns = before.st_mtime_ns + 1
    later_ns = before.st_mtime_ns + folder.TICK_NS
    path.write_text("longer")

    assert stamp_of(before, now_ns) != stamp_of(before, now_ns + 1)
    assert stamp_of(before, later_ns) == stamp_of(before, later_ns + 1)
    assert stamp_of(path.stat(), later_ns + folder.TICK_NS) != stamp_of(before, later_ns)
    assert list_folder(tmp_path).entries[0].stamp.startswith("6-")
