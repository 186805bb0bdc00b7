"""Sentences out of Markdown, reStructuredText and HTML, and which of them a report may quote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.tools.analysing.quality import statements, weight
from actors.tools.splitting.passages import Passage, split
from actors.tools.text.inline import plain
from actors.tools.text.sentences import Sentence, sentences
from app.model.task import Document

MARKUP = st.sampled_from(
    ["One two three. ", "It is e.g. so. ", "**bold** ", "`co.de` ", "[a. b](c.d) ", "- ", "\n", "\n\n", "<br>",
     "v1.2.3 ", "![x](y) ", "> ", "(", ")", "*", "_", "&amp;",
     "Dr. Who. ", "etc. and ", "?", "\\*", "..", "::", "<b>", "[x]: y"]
)  # fmt: skip


def _texts(passage: str) -> list[str]:
    return [sentence.text for sentence in sentences(passage)]


@given(st.lists(MARKUP, max_size=40).map("".join) | st.text(max_size=300))
def test_a_quotation_is_verbatim_and_its_text_is_what_a_reader_sees(passage: str) -> None:
    """`plain(quote) == text` and the quote stands where it says, for any passage."""
    for sentence in sentences(passage):
        assert passage[sentence.start : sentence.end] == sentence.quote
        assert plain(sentence.quote) == sentence.text != ""


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("Use 3.10 or later. It is e.g. faster.", ["Use 3.10 or later.", "It is e.g. faster."]),
        ("See `a.b. C`. Then go.", ["See `a.b. C`.", "Then go."]),
        ("Dr. Who met J. Smith. They spoke.", ["Dr. Who met J. Smith.", "They spoke."]),
        ("Read [the docs. Really](http://x.y/z). Good.", ["Read the docs. Really.", "Good."]),
        ("Lists, sets, etc. are fine.", ["Lists, sets, etc. are fine."]),
        ("* **Fast**: Very fast. *\n* Small", ["Fast: Very fast.", "Small"]),
        ("redis-py is small. redis-py is quick.", ["redis-py is small.", "redis-py is quick."]),
        ("<p align='center'>\n<em>A server.</em></p>\nNext one.", ["A server.", "Next one."]),
        ("> [!NOTE]\n> Stay here.", ["Stay here."]),
        ("1. First thing.\n2. Second thing.", ["First thing.", "Second thing."]),
        ("| a. b | c |\n|---|---|\n\n```\nx. y\n```\n\nReal.", ["Real."]),
        ("It works on asyncio_ or :class:`Trio`.", ["It works on asyncio or `Trio`."]),
        ("这是一句。这是第二句。", ["这是一句。", "这是第二句。"]),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(passage: str, expected: list[str]) -> None:
    """Full stops in versions, abbreviations, code and links do not count."""
    assert _texts(passage) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$ pip install 'dramatiq[redis]'",
        "pip install dramatiq for the win today.",
        "* [Installation guide](#installation)",
        "* Fix the cache by @someone in [#123](https://x/pull/123).",
        "To use it, write the following:",
        "How do I use this thing?",
        "**Documentation**: https://dramatiq.io",
        "Ok.",
        "fig (a) {b} [c] <d> == 12 34 56 78.",
    ],
)
def test_what_is_no_statement_must_not_be_quoted(text: str) -> None:
    """Commands, contents, change logs, lead-ins, questions and debris weigh nothing."""
    assert all(weight(sentence) == 0 for sentence in sentences(text))


def test_a_full_sentence_weighs_more_than_a_fragment_or_a_pointer() -> None:
    """Fragments are kept for want of better; pointers to elsewhere hardly."""
    full, fragment, pointer = (
        weight(Sentence(text, text, 0, item=True))
        for text in (
            "The worker retries a failed message with a growing delay.",
            "Automatic retries with backoff",
            "See the guide for more details on how retries are done.",
        )
    )

    assert full == 1.0 > fragment > pointer > 0


def test_a_sentence_that_points_back_takes_along_what_it_points_to() -> None:
    """Alone, "It supports HTTP/2" would be a statement about nobody."""
    passage = _passage("Daphne was the first ASGI server of them all. It supports HTTP/1.1 and HTTP/2 today.")

    found = [statement.sentence.text for statement in statements(passage)]

    assert found[1] == passage.text


def test_no_badge_command_or_change_log_survives_in_real_documents(readmes: list[Document]) -> None:
    """Every sentence that could be quoted from twenty READMEs is free of markup debris."""
    found = [
        statement.sentence.text
        for document in readmes
        for passage in split(document)
        for statement in statements(passage)
    ]

    assert len(found) > 500
    for text in found:
        assert "](" not in text
        assert "img.shields.io" not in text
        assert not text.startswith(("$", "pip install", "#", ">>>"))
        assert "\n" not in text


def _passage(text: str) -> Passage:
    return split(Document(name="a.md", text=text))[0]
