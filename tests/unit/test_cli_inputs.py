"""What is on the command line is refused in one sentence when it cannot be sent."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.inputs import BadInput, read_documents, read_plan, read_task, read_urls
from app.cli.queues import queues_cli
from app.cli.terminal import plain
from app.documents.errors import DocumentError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[NaN]", "is not JSON: Out of range float"),
        (b"[-Infinity]", "is not JSON: Out of range float"),
        (b"[1e999]", "is not JSON: Out of range float"),
        (rb'["\ud800"]', "holds half a character"),
        (rb'{"\udfff": 1}', "holds half a character"),
        (b'["\xff"]', "is not JSON"),
        (b"[" + b"1" * 5000 + b"]", "is not JSON"),
        (b"[" * 200_000, "is nested too deeply"),
        (b"", "is not JSON"),
    ],
)
def test_a_plan_that_cannot_be_sent_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """Python reads more than JSON; what goes out is JSON only."""
    path = tmp_path / "plan.json"
    path.write_bytes(content)

    with pytest.raises(BadInput, match=said):
        read_plan(path)


def test_any_json_is_let_through(tmp_path: Path) -> None:
    """What a plan must look like is for the API to say."""
    path = tmp_path / "plan.json"
    path.write_text(r'{"a": [1, 2.5, null, "\ud83d\ude00"]}')

    assert read_plan(path) == {"a": [1, 2.5, None, "\N{GRINNING FACE}"]}
    assert read_plan(None) is None


def test_a_url_that_is_not_utf_8_is_refused() -> None:
    """Every other one is for the API to judge."""
    assert read_urls(["http://a.example/", "nonsense"]) == ("http://a.example/", "nonsense")
    assert read_urls(None) == ()
    with pytest.raises(BadInput, match="is not UTF-8"):
        read_urls([os.fsdecode(b"http://a.example/\xff")])


def test_a_file_name_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    """The name is shown as the bytes that it is, and with no other document there is nothing to send."""
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.md")).write_text("text")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")

    with pytest.raises(DocumentError, match=r"a\\\\xff\.md' has a name that is not UTF-8\.$"):
        read_documents(tmp_path)


def test_names_that_the_api_would_refuse_are_put_right(tmp_path: Path) -> None:
    """A line break becomes a mark of doubt; of a path that is too long the end is kept."""
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    (deep / "guide.md").write_text("text")
    (tmp_path / "two\nlines\x1b.md").write_text("text")

    long, odd = (document.name for document in read_documents(tmp_path))

    assert long == f"\u2026{'d' * 69}/{'e' * 120}/guide.md"
    assert len(long) == 200
    assert odd == "two\ufffdlines\ufffd.md"


def test_a_task_that_is_not_utf_8_is_refused() -> None:
    """Any other text is for the API to judge."""
    assert read_task("grün") == "grün"
    with pytest.raises(BadInput, match=r"^The task is not UTF-8 text\.$"):
        read_task(os.fsdecode(b"ab\xff"))


def test_no_half_character_reaches_the_terminal() -> None:
    """Writing it would fail."""
    assert plain("a\udcffb\ud800") == "ab"


def test_queues_of_a_url_that_is_none_exit_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sentence as everywhere."""
    monkeypatch.setenv("STEPSTREAM_REDIS_URL", "localhost:6379")

    result = CliRunner().invoke(queues_cli)

    assert result.exit_code == 2
    assert result.stderr.startswith("REDIS_URL cannot be read")
