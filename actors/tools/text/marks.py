"""The signs by which lines of Markdown, reStructuredText and plain text tell what they are."""

import re

FENCE = re.compile(r"\s*(`{3,}|~{3,})")
ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
HTML_HEADING = re.compile(r"\s*<h([1-6])\b[^<>]*>(.*?)</h\1>\s*$", re.IGNORECASE)
UNDERLINE = re.compile(r"([=\-~^\"'`+*#:.])\1{2,}\s*$")
RULE_SIGNS = frozenset("=-~^\"'+*#:.")
RULE = re.compile(r"\s*([-*_=])(?:[ \t]*\1){2,}\s*$")
ITEM = re.compile(r"(\s*)(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+(?=\S)")
RST_TABLE_RULE = re.compile(r"\s*(?:=+(?:\s+=+)+|\+[-=+]+\+)\s*$")
LINK_DEFINITION = re.compile(r" {0,3}\[[^\]]{1,200}\]:\s*\S")
RAW_HTML = re.compile(r"\s*<(script|style|pre|svg)\b", re.IGNORECASE)
DOCTEST = re.compile(r"\s*>>> ")


def indent_of(line: str) -> int:
    """How far a line is indented, with tabs to multiples of four."""
    body = line.lstrip()
    lead = line[: len(line) - len(body)][:200]
    return len(lead.expandtabs(4)) if "\t" in lead else len(lead)
