"""A page as text: its structure stays, everything around its content goes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.documents import html
from app.documents.errors import DocumentError
from app.documents.html import PARSED_HERE_CHARS_MAX, html_to_text
from app.documents.readers import HTML_CHARS_MAX, read

PIECES = st.sampled_from(
    ["<p>", "</p>", "<li>", "<ul>", "</ol>", "<ol>", "<pre>", "</pre>", "<table>", "<tr>", "<td>", "</table>", "text",
     "<h2>", "</h2>", "<dt>", "<dd>", "<code>", "</code>", "`", "&lt;", "<br>", "<hr/>", "<b", "<!--", "-->", "<nav>",
     "</nav>", "<main>", "<title>", "</title>", "<blockquote>", "|", "\n", " ", "# ", "\x00", "<script>", "</script>"]
)  # fmt: skip


def test_headings_lists_tables_code_and_quotes_are_kept() -> None:
    """As Markdown would write them."""
    page = """<html><head><title>Site title</title></head><body><h1>Guide</h1><p>One <b>bold</b>
      and <code>x &lt; y</code>.</p><ul><li>first<li>second<ol><li>inner</ol></ul>
      <pre class="language-python">if a:\n    b()\n</pre><blockquote><p>Said.</p></blockquote>
      <table><tr><th>Name</th><th>Size</th></tr><tr><td>a|b</td><td>1</td></tr></table>
      <dl><dt>term</dt><dd>What it is.</dd></dl><ol start=1><li>go</ol></body></html>"""

    assert html_to_text(page) == (
        "# Guide\n\nOne bold and `x < y`.\n\n- first\n- second\n  1. inner\n\n```python\nif a:\n    b()\n```\n\n"
        "> Said.\n\n| Name | Size |\n|---|---|\n| a\\|b | 1 |\n\n- term: What it is.\n1. go\n"
    )


def test_what_surrounds_the_content_is_left_out() -> None:
    """By element, role and the names that pages use, and with a main part only that."""
    content = "<h1>Title</h1><p>The content of this page is a sentence of some length.</p>"
    around = '<nav>Home</nav><div class="sidebar">Links</div><footer>Imprint</footer><div role=search>Find</div>'

    for page in (f"{around}{content}", f"<div>Top bar</div><main>{content}</main>{around}"):
        text = html_to_text(page)
        assert text == "# Title\n\nThe content of this page is a sentence of some length.\n"


def test_scripts_styles_comments_and_marks_of_headings_leave_nothing() -> None:
    """Nor do hidden parts."""
    head = "<style>p{}</style><script>x()</script><!-- c -->"
    page = f"{head}<h2>A<a class=headerlink>¶</a></h2><p hidden>no</p><p>Text.</p>"

    assert html_to_text(page) == "## A\n\nText.\n"


def test_a_page_whose_names_mislead_keeps_its_text() -> None:
    """Where nearly everything is called a menu, the menu is the content."""
    page = '<div class="menu"><p>All there is to read on this page stands in here.</p></div><p>x</p>'

    assert "All there is" in html_to_text(page)


def test_the_title_stands_on_top_where_the_content_has_none() -> None:
    """So that citations and the index know it."""
    assert html_to_text("<title>About A &amp; B</title><p>Text.</p>") == "# About A & B\n\nText.\n"


def test_a_table_for_layout_vanishes_around_its_text() -> None:
    """Cells with headings, code or long text are no data."""
    page = "<table><tr><td><h2>News</h2><p>Text.</p></td><td>side</td></tr><tr><td>x</td><td>y</td></tr></table>"

    assert "|" not in html_to_text(page)
    assert "## News\n\nText." in html_to_text(page)


def test_text_that_looks_like_markup_stays_text() -> None:
    """A page about Markdown makes no headings, and one about HTML no tags."""
    page = "<p># no heading</p><p>1. no item</p><p>--- no rule</p><p>&lt;script&gt; is a tag</p><pre>```\nx\n```</pre>"

    assert html_to_text(page) == (
        "\\# no heading\n\n1\\. no item\n\n\\--- no rule\n\n&lt;script> is a tag\n\n````\n```\nx\n```\n````\n"
    )


@settings(deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=200))
def test_any_page_becomes_text(page: str) -> None:
    """Whatever is broken in it."""
    assert isinstance(html_to_text(page), str)


@pytest.mark.parametrize(
    "unit",
    ["<div>", "<!--", "<p ", '<a href="', "&amp;", "<", "<b><p>x", "<li>x", "<ul><li>", "<table><tr><td>", "<code>`"],
)
def test_hostile_pages_cost_no_more_than_their_length(unit: str) -> None:
    """A quadratic parser would take minutes here: without a limit on depth this one does."""
    assert isinstance(html_to_text(unit * (300_000 // len(unit))), str)


@pytest.mark.parametrize("deep", ["<ul><li>", "<ol><li>", "<blockquote>"])
def test_a_page_becomes_no_text_that_is_many_times_its_size(deep: str) -> None:
    """Each line shows how deep it stands, but not all four hundred levels."""
    page = deep * 400 + ("<li>x" if "li" in deep else "<p>x") * 20_000

    assert len(html_to_text(page)) < 10 * len(page)


def test_a_page_that_is_too_long_is_refused() -> None:
    """In one sentence."""
    with pytest.raises(DocumentError, match=r"^'a\.html' is a page of more than 16 Mi characters"):
        read("a.html", b"<p>" + b"x" * HTML_CHARS_MAX)


def test_a_large_page_reads_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is parsed shows in nothing."""
    unit = "<h2 class='x'>Tea</h2><ul><li>It is \u00fcber <b>warm</b></li></ul><script>x()</script>"
    page = unit * (PARSED_HERE_CHARS_MAX // len(unit) + 1)
    apart = html_to_text(page)
    monkeypatch.setattr(html, "PARSED_HERE_CHARS_MAX", len(page))

    assert html_to_text(page) == apart


@pytest.mark.parametrize(
    "page",
    ["<p " + " ".join(f"a{n}" for n in range(150_000)) + ">x", "<div><!--</div>-->" * 60_000],
    ids=["attributes of one tag", "depth that closing tags in comments hide"],
)
def test_a_page_that_is_built_to_be_slow_is_given_up(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel stops its parser, which has no other limit."""
    monkeypatch.setattr(html, "CPU_S_MAX", 1)

    with pytest.raises(DocumentError, match="takes too much time or memory"):
        read("slow.html", page.encode())
