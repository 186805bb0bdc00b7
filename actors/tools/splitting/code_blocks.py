"""
Finds the blocks of program text: definitions as headings, documentation as prose, all else as code.

By lines and indentation, for any language with words such as `def`, `class`, `fn`, `function`, `func` or braces
behind a signature: a wrong guess only cuts a passage at another line.
"""

import re
from collections.abc import Iterator

from actors.tools.splitting.blocks import OBJECT_LEVEL, Block, Kind

INDENT_MAX = 12  # deeper definitions are details of the ones around them
TITLE_CHARS_MAX = 200

KEYWORD = re.compile(
    r"(?:(?:export|default|pub(?:\(\w+\))?|public|private|protected|internal|static|final|abstract|async|inline|"
    r"virtual|override|unsafe|extern|const|sealed|partial|open|data|case|local|defp?|create(?: or replace)?)\s+)*"
    r"(?:class|def|defp|defmodule|func|fun|function|fn|interface|struct|enum|trait|impl|module|namespace|type|record|"
    r"object|protocol|extension|sub|proc|macro_rules!|table|view|procedure|trigger|message|service)\b\s*[\w.:$<\"'`(*&]",
    re.IGNORECASE,
)
SIGNATURE = re.compile(r"[A-Za-z_][\w\s*&:<>,\[\].~-]*\([^;]*\)?[^;=]*\{\s*$")
CONTROL = re.compile(r"(?:if|else|elif|for|foreach|while|switch|match|do|try|catch|with|return|using|lock|when|case)\b")
DOCSTRING = re.compile(r"\s*[rRuU]?(\"\"\"|''')")


def scan_code(text: str) -> Iterator[Block]:
    """The blocks in order; a definition's heading holds for what is indented deeper."""
    lines = text.split("\n")
    start = pending = 0  # of the line, and of the code not yet given out
    first = 0
    at = 0
    documented = True  # whether a docstring may stand here: at the top and below a definition
    while at < len(lines):
        line = lines[at]
        end, title = at + 1, _definition(line)
        if documented and (quote := DOCSTRING.match(line)):
            end = _end_of_docstring(lines, at, quote.end(), quote[1])
            yield from _code(text, pending, start, first)
            yield from _docstring(text, start, start + _length(lines, at, end), quote[1], at)
            pending, first = start + _length(lines, at, end), end
        elif title:
            yield from _code(text, pending, start, first)
            end = _end_of_signature(lines, at)
            indent = _indent(line)
            length = _length(lines, at, end)
            yield Block("heading", start, start + length - 1, at + 1, OBJECT_LEVEL + indent, title, indent)
            pending, first = start + length, end
        documented = bool(title) or (documented and not line.strip())
        start += _length(lines, at, end)
        at = end
    yield from _code(text, pending, len(text), first)


def _definition(line: str) -> str:
    """The signature, if a definition begins here; nothing otherwise."""
    head = line.strip()[:TITLE_CHARS_MAX]
    if not head or _indent(line) > INDENT_MAX or CONTROL.match(head):
        return ""
    if KEYWORD.match(head) or SIGNATURE.match(head):
        return head.rstrip(" {:")
    return ""


def _end_of_signature(lines: list[str], at: int) -> int:
    """A signature over several lines ends where its brackets close."""
    depth = 0
    for index in range(at, min(at + 20, len(lines))):
        depth += sum(lines[index].count(sign) for sign in "([") - sum(lines[index].count(sign) for sign in ")]")
        if depth <= 0:
            return index + 1
    return at + 1


def _end_of_docstring(lines: list[str], at: int, opened: int, quote: str) -> int:
    if quote in lines[at][opened:]:
        return at + 1
    return next((index + 1 for index in range(at + 1, len(lines)) if quote in lines[index]), len(lines))


def _docstring(text: str, start: int, end: int, quote: str, line: int) -> Iterator[Block]:
    """What stands between the quotes; paragraphs of their own, as in any text."""
    first = text.index(quote, start) + len(quote)
    last = text.find(quote, first, end)
    last = end if last < 0 else last
    for match in re.finditer(r"\S[^\n]*(?:\n[^\S\n]*\S[^\n]*)*", text[first:last]):
        begin = first + match.start()
        yield _block("prose", text, begin, first + match.end(), line + 1 + text.count("\n", start, begin))


def _code(text: str, start: int, end: int, line: int) -> Iterator[Block]:
    """Code between two definitions, in the blocks that blank lines make; a closing bracket alone is none."""
    for match in re.finditer(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", text[start:end]):
        if any(char.isalnum() for char in match[0]):
            begin = start + match.start()
            yield _block("code", text, begin, start + match.end(), line + 1 + text.count("\n", start, begin))


def _block(kind: Kind, text: str, start: int, end: int, line: int) -> Block:
    return Block(kind, start, end, line, indent=_indent(text[text.rfind("\n", 0, start) + 1 : end]))


def _length(lines: list[str], at: int, end: int) -> int:
    return sum(map(len, lines[at:end])) + end - at


def _indent(line: str) -> int:
    expanded = line[:200].expandtabs(4)
    return len(expanded) - len(expanded.lstrip())
