"""
A text in Markdown as a page for a browser.

Nothing of the text is trusted, wherever it came from: raw HTML in it is shown, not obeyed; what the renderer
makes of it is cleaned once more; and the page forbids its browser to run or to load anything.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

#: Above this a text is shown as it was written: some Markdown takes time that grows faster than it does.
RENDERED_CHARS_MAX = 64 << 10
TITLE_CHARS_MAX = 120

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.6 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
       overflow-wrap: anywhere; }
pre { white-space: pre-wrap; }
table { border-collapse: collapse; overflow-wrap: break-word; }
td, th { border: 1px solid; padding: 0.2rem 0.6rem; }
blockquote { border-left: 3px solid; margin-left: 0; padding-left: 1rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
#: Nothing is loaded, run, framed or sent; of styles only the page's own.
SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
#: The part of it that a page can say of itself.
FILE_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
TAIL = "</main>\n</body>\n</html>\n"
HEADERS = {"Content-Security-Policy": SECURITY_POLICY}


def page(title: str, markdown: str) -> str:
    """A complete page; `markdown` may come from anyone."""
    return f"{head(title)}{body(markdown)}{TAIL}"


def head(title: str) -> str:
    """What stands before the body; a page that is kept as a file carries its policy along."""
    name = escape(" ".join(title.split())[:TITLE_CHARS_MAX])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(FILE_POLICY)}">\n'
        f"<title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )


def body(markdown: str) -> str:
    """The text as harmless HTML."""
    if len(markdown) > RENDERED_CHARS_MAX:
        return f"<pre>{escape(markdown)}</pre>\n"
    return nh3.clean(
        _renderer().render(markdown),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener nofollow",
    )


def _renderer() -> MarkdownIt:
    # One per call: pages are made in threads.
    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    renderer.add_render_rule("image", _image)
    return renderer


def _image(_self: RendererHTML, tokens: Sequence[Token], index: int, *_: Any) -> str:
    """A link in its place: loading it would tell others who reads the page."""
    token = tokens[index]
    return f'<a href="{escape(str(token.attrs.get("src", "")))}">{escape(token.content or "image")}</a>'
