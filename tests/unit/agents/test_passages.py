"""Splitting documents into passages, whatever they look like."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.tools.splitting import passages as passages_module
from actors.tools.splitting.blocks import scan
from actors.tools.splitting.passages import PASSAGE_CHARS_MAX, PASSAGE_WORDS_MAX, Passage, split
from app.model.task import Document

PIECES = st.sampled_from(
    ["# Head\n", "Title\n=====\n", "text. ", "word ", "- item\n", "```\n", "    code\n", "\n", "\n\n", "> quote\n",
     "| a | b |\n|---|---|\n", "<!-- c -->", ".. note::\n", "::\n", "x" * 500, "\r\n", "\u2028", "é", "[a](b)"]
)  # fmt: skip


CODE_PIECES = st.sampled_from(
    ["def f(a):\n", "class A:\n", "    ", '"""', "'''", "fn x() {\n", "}\n", "(", "return\n", "# comment\n", "\t"]
)


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


def test_a_table_keeps_its_header_and_code_the_sentence_before_it() -> None:
    """Whole where they fit, whatever their number of words; parts of a longer table are told its header."""
    rows = "".join(f"| name {n} | value {n} |\n" for n in range(130))
    code = "```\n" + "a = b + c\n" * 300 + "```"
    filler = "One sentence of six words here. " * 34

    table = _split(f"# T\n\n{filler}\n\nThe values are:\n\n| Name | Value |\n|---|---|\n{rows}")
    program = _split(f"# T\n\n{filler}\n\nRun it like this:\n\n{code}\n")
    long = _split(f"# T\n\n| Name | Value |\n|---|---|\n{rows * 3}")

    assert table[-1].text.startswith("The values are:\n\n| Name | Value |")
    assert program[-1].text.startswith("Run it like this:\n\n```")
    assert program[-1].kind == "prose"
    assert [passage.lead for passage in long] == ["", *["| Name | Value |"] * (len(long) - 1)]
    assert len(long) > 1


def test_a_list_is_not_torn_from_its_lead_in() -> None:
    """The sentence goes along to the next passage with it; later parts are told what they continue."""
    filler = "One sentence of six words here. " * 33
    items = "".join(f"- item number {n} with some more words\n" for n in range(60))

    passages = _split(f"{filler}\n\nThere are these kinds:\n\n{items}")

    torn = _split(f"{filler * 2}\n\nThere are these kinds:\n\n- {'many words of one item ' * 30}\n")

    assert "There are these kinds:\n\n- item number 0" in passages[0].text
    assert len(passages) > 2
    assert {passage.lead for passage in passages[1:]} == {"There are these kinds:"}
    assert torn[-1].text.startswith("There are these kinds:\n\n- many words")


def test_what_a_directive_describes_stands_under_its_signature() -> None:
    """Until the indentation ends; code directives are code, pictures and indexes nothing."""
    text = (
        "Module\n======\n\nIntro.\n\n.. function:: join(a, *b)\n              join(c)\n\n   Joins :func:`paths`.\n\n"
        "   .. code-block:: python\n\n      join(1)\n\n.. index:: x\n\nAfter it.\n\n.. class:: Path\n\n    Text.\n\n"
        "    .. method:: Path.open()\n\n       Opens.\n"
    )

    found = [(passage.heading, passage.text.split("\n")[0]) for passage in _split(text, "m.rst")]

    assert found == [
        ("Module", "Module"),
        ("Module > join(a, *b)", ".. function:: join(a, *b)"),
        ("Module", "After it."),
        ("Module > Path", ".. class:: Path"),
        ("Module > Path > Path.open()", "    .. method:: Path.open()"),
    ]


def test_program_text_is_cut_at_definitions_and_its_documentation_can_be_quoted() -> None:
    """Code is of kind code and under its signature; a docstring is prose of its own."""
    text = (
        '"""Helpers for paths."""\n\nimport os\n\n\nclass Tree:\n    """A tree of names."""\n\n'
        "    def grow(self, by: int) -> None:\n        self.size += by\n\n\ndef walk(\n    root,\n):\n    yield root\n"
    )

    found = [(passage.kind, passage.heading, passage.text) for passage in _split(text, "tree.py")]

    assert found == [
        ("prose", "", "Helpers for paths."),
        ("code", "", "import os"),
        ("prose", "class Tree", "A tree of names."),
        (
            "code", "class Tree > def grow(self, by: int) -> None",
            "    def grow(self, by: int) -> None:\n        self.size += by",
        ),
        ("code", "def walk(", "def walk(\n    root,\n):\n    yield root"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["doc.md", "doc.py", "doc.rs"])
@settings(deadline=None)
@given(text=st.lists(PIECES | CODE_PIECES, max_size=40).map("".join))
def test_passages_of_any_format_are_exact_slices(name: str, text: str) -> None:
    """Program text too, whatever it is made of."""
    last = 0
    for passage in _split(text, name):
        start, end = passage.span
        assert text[start:end] == passage.text
        assert passage.line == text.count("\n", 0, start) + 1
        assert last <= start < end
        assert len(passage.text) <= PASSAGE_CHARS_MAX
        last = end


def test_a_very_long_document_is_cut_in_parts_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same passages as in one piece, and nothing is dropped."""
    section = "# Heading {n}\n\nA sentence of section {n} stands here.\n\n```\ncode {n}\n```\n\n"
    text = "".join(section.format(n=n) for n in range(400))
    whole = _split(text)

    monkeypatch.setattr(passages_module, "PART_CHARS", 5_000)

    assert _split(text) == whole
