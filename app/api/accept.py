"""Which form of an answer a client likes best."""

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Header
from pydantic import WithJsonSchema

QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")

JSON = "application/json"
MARKDOWN = "text/markdown"
HTML = "text/html"
EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"

HeaderLines = Annotated[
    Sequence[str],
    WithJsonSchema({"type": "string"}),
    Header(description="Media types that may come back, the best one first.", examples=[MARKDOWN]),
]


async def _accept(accept: HeaderLines = ()) -> str:
    """The header as a whole: a list may be spread over several lines (RFC 9110, section 5.2)."""
    return ",".join(accept)


Accept = Annotated[str, Depends(_accept)]


def negotiated(accept: str, offered: Sequence[str]) -> str:
    """
    The one of `offered` that an `Accept` header ranks highest (RFC 9110, section 12.5.1).

    The first of equals, and the first when none is acceptable: whoever cannot be pleased gets the default, which
    the standard allows in place of a 406.
    """
    if accept in ("", "*/*"):
        return offered[0]
    wishes = dict(_wish(part) for part in accept.lower().split(","))
    return max(offered, key=lambda media_type: _quality(media_type, wishes))


def _quality(media_type: str, wishes: dict[str, float]) -> float:
    """What the most specific range that covers the type says of it."""
    whole_kind = f"{media_type.partition('/')[0]}/*"
    return next((wishes[known] for known in (media_type, whole_kind, "*/*") if known in wishes), 0.0)


def _wish(part: str) -> tuple[str, float]:
    media_range, *parameters = (word.strip() for word in part.split(";"))
    quality = next((word[2:].strip() for word in parameters if word.startswith("q=")), "1")
    return media_range, float(quality) if QUALITY.fullmatch(quality) else 0.0
