"""
Markup within a line: what a reader would see of it, and how to print foreign text inside our own Markdown.

`plain` turns a piece of Markdown, reStructuredText or HTML into the words a reader sees; code keeps its
backticks. `escape` is the way back: whatever a document says, it comes out as text, never as structure.
"""

import html
import re
import unicodedata

_SPAN = r"[^\[\]\n]*(?:\n[^\[\]\n]+){0,3}"
COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
IMAGE = re.compile(rf"!\[{_SPAN}\](?:\([^()\s]*(?:\([^()\s]*\))?[^()]*\)|\[[^\[\]]*\])?")
_TARGET = r"\(\s*<?[^()\s]*(?:\([^()\s]*\)[^()\s]*)?(?:\s+[\"'(][^\n]*?[\"')])?\s*\)"
LINK = re.compile(rf"\[({_SPAN})\](?:{_TARGET}|\[[^\[\]\n]*\])")
NOTE_MARK = re.compile(r"\[!(?:NOTE|TIP|WARNING|IMPORTANT|CAUTION)\]|\[\^?\d{1,3}\]_?|\[[ xX]\](?=\s)|\[\]")
BRACKETED = re.compile(r"\[([^\[\]\n]{2,80})\](?![(\w])")
AUTOLINK = re.compile(r"<((?:https?://|mailto:)?[^<>\s]+[@/.][^<>\s]+)>")
TAG = re.compile(
    r"</?(?:a|abbr|article|aside|b|blockquote|br|center|cite|code|dd|del|details|dfn|div|dl|dt|em|figure|font|footer|"
    r"form|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|li|link|main|mark|meta|nav|object|ol|p|picture|pre|q|s|samp|"
    r"script|section|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|tfoot|th|thead|tr|tt|u|"
    r"ul|var|video|wbr)(?:\s[^<>]{0,2000})?/?>",
    re.IGNORECASE,
)
CODE = re.compile(r"(`{1,3})(?!`)([^`\n]+(?:\n[^`\n]+)?)\1(?!`)")
ROLE = re.compile(r":[a-z][a-z:]{1,30}:(?=`)")
RST_LINK = re.compile(r"`([^`<>]+?)(?:\s*<[^`<>]+>)?`__?(?!\w)")
RST_REFERENCE = re.compile(r"\b([A-Za-z][\w.-]*[A-Za-z0-9])__?(?=[\s.,;:)/!?'\"-]|$)")
STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
EMPHASIS = re.compile(r"(?<![\w*])(\*|_)(?=[^\s*_])([^*]+?)(?<=[^\s*_])\1(?![\w*])", re.DOTALL)
LEADING = re.compile(r"^[ \t]*(?:>[ \t]?)+|^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
BULLET = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+")
SHORTCODE = re.compile(r"(?<!\w):[a-z][a-z0-9_+-]{1,30}:(?!\w)")
BACKSLASH = re.compile(r"\\([!-/:-@\[-`{-~])")
STRAY = re.compile(r"\*{2,}|(?<!\w)_{1,2}(?=\w)|(?<=\w)\*+(?=\s|$|[.,;:!?)])|(?<!\S)\*+(?=\S)|(?<=\S)\s\*+$|~~")
ADDRESS = re.compile(r"(?:https?://|www\.|mailto:|ftp://)[^\s<>`\"]+|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
CODE_SPAN = re.compile(r"`([^`]+)`")
SPECIAL = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
ENTITY = re.compile(r"&(?=#|\w+;)")
SIGNS = re.compile(r"[`*_\[\]<>\\&~#!:]|^\s*(?:[-+\u2022]|\d{1,3}[.)])\s")  # without one of them nothing is markup
BEFORE_STOP = re.compile(r"\s+([.,;:!?])(?=\s|$)")
BLANK = re.compile(r"[\n\t\r\f\v]")
LINE_START = re.compile(r"([#+=:-]|\d{1,9}(?=[.)]))")


def plain(raw: str) -> str:
    """What a reader sees of `raw`, on one line; the same input always gives the same text."""
    if not SIGNS.search(raw):
        return _one_line(raw)
    text = _without_structure(COMMENT.sub(" ", raw))
    parts = []
    end = 0
    for match in CODE.finditer(text):
        parts += [_words(text[end : match.start()]), _code(match[2])]
        end = match.end()
    return _one_line("".join([*parts, _words(text[end:])]))


def escape(text: str) -> str:
    """The text for use within a Markdown line: no markup, HTML or address in it takes effect."""
    text = clean(text)
    parts = []
    end = 0
    for match in CODE_SPAN.finditer(text):
        literal = not ENTITY.search(match[1]) and "<" not in match[1] and "|" not in match[1]
        parts += [_escape_prose(text[end : match.start()]), match[0] if literal else _escape_prose(match[1])]
        end = match.end()
    return "".join([*parts, _escape_prose(text[end:])])


def escape_line(text: str) -> str:
    """The same for the beginning of a line, where a sign would open a heading or a list."""
    line = escape(text)
    return LINE_START.sub(_guard_start, line, count=1) if LINE_START.match(line) else line


def clean(text: str) -> str:
    """Without control, direction and other invisible characters, white space as single blanks."""
    flat = BLANK.sub(" ", text)
    if flat.isprintable():
        return " ".join(flat.split())
    kept = (" " if char in "\n\t\r\f\v" else char for char in text)
    visible = "".join(char for char in kept if char == " " or unicodedata.category(char)[0] != "C")
    return " ".join(visible.split())


def amount(number: int, noun: str) -> str:
    """`1 passage`, `2 passages`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shorten(text: str, chars_max: int) -> str:
    """The text, or its beginning up to a word's end and an ellipsis."""
    if len(text) <= chars_max:
        return text
    head = text[: chars_max - 1]
    return (head.rsplit(" ", 1)[0] if " " in head else head).rstrip(" ,;:-") + "…"


def _without_structure(text: str) -> str:
    text = LEADING.sub("", BULLET.sub("", LEADING.sub("", text)))
    text = IMAGE.sub("", text)
    text = LINK.sub(r"\1", IMAGE.sub("", LINK.sub(r"\1", text)))
    text = NOTE_MARK.sub("", ROLE.sub("", text))
    return RST_LINK.sub(r"\1", text)


def _words(text: str) -> str:
    text = TAG.sub(lambda tag: " " if tag[0].lower().startswith(("<br", "</p", "</li", "</td")) else "", text)
    text = BRACKETED.sub(r"\1", AUTOLINK.sub(r"\1", text))
    text = RST_REFERENCE.sub(r"\1", SHORTCODE.sub("", text))
    text = EMPHASIS.sub(r"\2", STRONG.sub(r"\2", text))
    return html.unescape(BACKSLASH.sub(r"\1", STRAY.sub("", text)).replace("`", ""))


def _code(text: str) -> str:
    inner = " ".join(text.split()).replace("`", "")
    return f"`{inner}`" if inner else ""


def _one_line(text: str) -> str:
    line = BEFORE_STOP.sub(r"\1", clean(text))
    return line[:-1] if line.endswith("::") else line  # in reStructuredText code follows


def _escape_prose(text: str) -> str:
    parts = []
    end = 0
    for match in ADDRESS.finditer(text):
        # In a code span no viewer turns an address into a link.
        address = match[0].rstrip(".,;:!?)'*_")
        parts += [_escape_signs(text[end : match.start()]), f"`{address}`"]
        end = match.start() + len(address)
    return "".join([*parts, _escape_signs(text[end:])])


def _escape_signs(text: str) -> str:
    text = ENTITY.sub("&amp;", SPECIAL.sub(r"\\\g<0>", text))
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _guard_start(match: re.Match[str]) -> str:
    sign = match[1]
    return f"{sign}\\" if sign.isdigit() else f"\\{sign}"
