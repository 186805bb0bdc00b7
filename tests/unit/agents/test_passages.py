"""Splitting documents into passages, whatever they look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.tools.blocks import scan
from actors.tools.passages import PASSAGE_CHARS_MAX, PASSAGE_WORDS_MAX, Passage, split
from app.model.task import Document

PIECES = st.sampled_from(
    ["# Head\n", "Title\n=====\n", "text. ", "word ", "- item\n", "```\n", "    code\n", "\n", "\n\n", "> quote\n",
     "| a | b |\n|---|---|\n", "<!-- c -->", ".. note::\n", "::\n", "x" * 500, "\r\n", "\u2028", "é", "[a](b)"]
)  # fmt: skip


def _split(text: str, name: str = "doc.md") -> list[Passage]:
    return split(Document(name=name, text=text))


@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=400))
def test_a_passage_is_an_exact_slice_and_slices_do_not_overlap(text: str) -> None:
    """Span, line and text agree for any text at all."""
    passages = _split(text)

    last = 0
    for passage in passages:
        start, end = passage.span
        assert text[start:end] == passage.text
        assert passage.line == text.count("\n", 0, start) + 1
        assert last <= start < end
        assert len(passage.text) <= PASSAGE_CHARS_MAX
        last = end


@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=400))
def test_blocks_cover_every_line_that_is_not_blank(text: str) -> None:
    """Nothing is lost between blocks, and they keep the text's order."""
    blocks = scan(text)

    rest = text
    for block in reversed(blocks):
        rest = rest[: block.start] + rest[block.end :]
    assert not rest.strip()
    assert [block.start for block in blocks] == sorted(block.start for block in blocks)


def test_every_passage_of_real_documents_keeps_the_limits(readmes: list[Document]) -> None:
    """A code block may be long, prose may not; every visible document has passages."""
    for document in readmes:
        passages = split(document)
        assert passages
        for passage in passages:
            assert document.text[slice(*passage.span)] == passage.text
            assert len(passage.text.split()) <= PASSAGE_WORDS_MAX + 60  # the heading and what lies between blocks


def test_headings_become_a_path_and_separate_passages() -> None:
    """Markdown, underlined and HTML headings alike."""
    text = "# Top\n\nOne.\n\n## Inner\n\nTwo.\n\nNext\n----\n\nThree.\n\n<h3 align='center'>Deep</h3>\n\nFour.\n"

    assert [passage.heading for passage in _split(text)] == ["Top", "Top > Inner", "Top > Next", "Top > Next > Deep"]
    assert {passage.title for passage in _split(text)} == {"Top"}


def test_restructured_text_has_headings_too() -> None:
    """Over- and underlined, in the order in which the signs first appear."""
    text = "====\nDocs\n====\n\nOne.\n\nUsage\n~~~~~\n\nTwo.\n\n.. image:: x.png\n   :alt: badge\n"

    passages = _split(text, "docs.rst")

    assert [passage.heading for passage in passages] == ["Docs", "Docs > Usage"]
    assert "badge" not in "".join(passage.text for passage in passages)


def test_a_comment_in_code_is_no_heading() -> None:
    """Fences and indented code stay whole."""
    text = "# Real\n\nRun::\n\n    # not a heading\n    go\n\n```sh\n# nor this\n```\n"

    assert [passage.heading for passage in _split(text)] == ["Real"]


def test_what_shows_a_reader_nothing_is_no_passage() -> None:
    """Badges, rules, link definitions and comments alone."""
    badges = "[![CI](https://x/ci.svg)](https://x)\n[![docs](https://y/d.svg)](https://y)\n\n---\n\n[a]: https://b\n"

    assert _split(f"{badges}<!-- hidden -->\n<img src='logo.png'>\n") == []
    assert _split("") == _split("\n \n") == []


def test_an_overlong_paragraph_is_cut_after_a_sentence() -> None:
    """And code that had to be cut is marked, since its rest would read like prose."""
    prose = "One short sentence of seven words here. " * 100
    code = "```\n" + "value = compute(alpha, beta)\n" * 300 + "```\n"

    assert all(passage.text.endswith("here.") for passage in _split(prose))
    assert {passage.kind for passage in _split(f"{prose}\n\n{code}")[-3:]} == {"code"}


def test_an_id_tells_name_place_and_text_apart_and_nothing_else() -> None:
    """The same document gives the same ids in every process; a change gives others."""
    first, again = _split("Alpha beta."), _split("Alpha beta.")
    moved, renamed, edited = _split("\nAlpha beta."), _split("Alpha beta.", "other.md"), _split("Alpha gamma.")

    assert first[0].pid == again[0].pid == "p2d78aa483d13a89c"
    assert len({passages[0].pid for passages in (first, moved, renamed, edited)}) == 4


@pytest.mark.parametrize("unit", ["<", "[", "# \n", "`", "<!--\n\n", "a_ ", "| - \n", "word. "])
def test_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    """A quadratic pattern would take minutes here."""
    assert len(_split(unit * (400_000 // len(unit)))) <= 20_000
