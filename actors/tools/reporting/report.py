"""How a report begins: what it is about, before anything is said."""

import re

from actors.tools.reporting.checked import Checked
from actors.tools.text.inline import plain, shorten
from app.model.report import Report

TITLE_CHARS_MAX = 120

REQUEST_TAIL = re.compile(
    r"[,;.]?\s*(?:and|then)?\s*(?:please\s+)?(?:write|give|make|produce|create|prepare)\s+(?:me\s+|us\s+)?(?:an?|the|some)?\s*"
    r"(?:\w+\s+){0,2}(?:summary|report|overview|comparison|text|document)\W*$",
    re.IGNORECASE,
)
REQUEST_HEAD = re.compile(
    r"(?:please )?(?:compare|contrast|summari[sz]e|explain|describe|analy[sz]e|show|tell me|find out)"
    r"(?: and contrast)? (?=(?:how|what|why|when|which|where|whether)\b)",
    re.IGNORECASE,
)


def begin(checked: Checked, request: str) -> Report:
    """A report that has its head and no body."""
    analysis = checked.analysis
    return Report(
        title=report_title(request),
        question=analysis.question,
        intent=analysis.intent,
        documents=analysis.documents,
        citations=checked.counts,
    )


def report_title(request: str) -> str:
    """The request without "and write a summary", as a heading."""
    text = plain(request).rstrip(" .")
    text = REQUEST_HEAD.sub("", (REQUEST_TAIL.sub("", text) or text).rstrip(" .,;"), count=1)
    return shorten(text[:1].upper() + text[1:], TITLE_CHARS_MAX) or "Report"
