"""What a report may quote of lists, tables, code and the lines around the text."""

import pytest

from actors.tools.analysing.findings import Side
from actors.tools.analysing.quality import statements
from actors.tools.reporting.citations import Claim, verify
from actors.tools.splitting.passages import Passage, split
from app.model.task import Document

LIST = """# Limits

A task is refused with a 503 when:

- the backlog is full
- Redis is away
  - for longer than five seconds
- **its payload** is larger than one mebibyte, which is checked before anything is stored.

For example:

- curl localhost

The limits are read again at each start of a worker process.
"""

TABLE = """# Settings

| Setting | Default | What for |
|---|---|---|
| `lease_ms` | 10 000 | how long a worker may be silent |
| `retries` | | |
| [x](http://a.example) | [y](http://b.example) | [z](http://c.example) |

| no | header |
"""


def _texts(text: str) -> list[str]:
    return [one.sentence.text for passage in _passages(text) for one in statements(passage)]


def _passages(text: str) -> list[Passage]:
    return split(Document(name="a.md", text=text))


def test_a_list_item_that_is_no_sentence_is_read_with_its_lead_in() -> None:
    """And one that is a sentence stands alone; what leads into an example leads into nothing."""
    assert _texts(LIST) == [
        "A task is refused with a 503 when: the backlog is full",
        "A task is refused with a 503 when: Redis is away",
        "A task is refused with a 503 when: for longer than five seconds",
        "its payload is larger than one mebibyte, which is checked before anything is stored.",
        "The limits are read again at each start of a worker process.",
    ]


def test_an_item_of_a_word_or_two_is_read_with_its_lead_in() -> None:
    """It says something there, and nothing alone."""
    text = "Delta brings features that its rivals lack:\n\n- Thread safety.\n- Pooling\n\nIt runs.\n\n- Alone\n"

    assert _texts(text) == [
        "Delta brings features that its rivals lack: Thread safety.",
        "Delta brings features that its rivals lack: Pooling",
    ]


def test_a_row_is_read_with_its_header() -> None:
    """Rows of links, rows with one cell and tables without a header say nothing."""
    assert _texts(TABLE) == ["Setting: `lease_ms`; Default: 10 000; What for: how long a worker may be silent"]


@pytest.mark.parametrize("text", [LIST, TABLE])
def test_what_is_read_with_its_context_passes_the_check_of_citations(text: str) -> None:
    """Quotation and context are exact slices of the passage."""
    for passage in _passages(text):
        for one in statements(passage):
            sentence = one.sentence
            assert passage.text[sentence.start : sentence.end] == sentence.quote
            side = Side.of(passage.pid, sentence.quote, sentence.context, sentence.form)
            assert side.text == sentence.text
            assert verify([Claim(**side.model_dump())], {passage.pid: passage}).counts["ok"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "```\nThe server is started with this command here.\n```",
        "    The server is started with this command here.",
        "---\ntitle: The title of this page is here.\n---\n",
        "- [The first page of it](a.md)\n- [The second page of it](b.md)",
        "- Fixed the crash when the queue is empty (#123)\n- Thanks to @someone for the report of it",
        "![The picture of the architecture](a.png)",
        "<!-- The comment that nobody is to see here. -->",
    ],
)
def test_what_is_no_prose_is_never_quoted(text: str) -> None:
    """Code, front matter, lists of links, change logs, pictures and comments."""
    assert _texts(text) == []
