"""
What may stand in a log: no secrets, no control characters, nothing without a limit.

Texts in logs come from clients, agents and other programs. A newline would begin a line that nobody wrote, an
escape sequence would act on the terminal of whoever reads it, and a password in an address would lie in a file.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import Any

CHARS_MAX = 2_000
ITEMS_MAX = 50
DEPTH_MAX = 8
INTEGER_BITS_MAX = 63
REDACTED = "[redacted]"
LEFT_OUT = "…"

#: C0, DEL and C1, separators of lines, marks that turn the direction of text, lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
#: Whether it is worth a closer look: most texts hold none of this.
_SUSPECT = re.compile(r"sk[_-]|://|bearer|basic|authoriz|cookie|passw|secret|token|api.?key|signature", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"(?:.*[_.-])?(?:authorization|cookie|password|passwd|secret|token|credentials?|api[_-]?key|private[_-]?key)",
    re.IGNORECASE,
)
_NAMED = (
    r"authorization|cookie|password|passwd|secret|access_token|refresh_token|id_token|client_secret|token|"
    r"api[_-]?key|signature"
)
#: Every repetition has a limit, so that no text makes them slow.
_SECRETS = (
    # Our own keys: the id is good to know.
    (re.compile(r"\b(sk_[A-Za-z0-9]{1,64})_[\w.~+/=-]{1,500}"), rf"\1_{REDACTED}"),
    (re.compile(r"\b(sk|pk|ghp|xox[a-z])-[\w-]{8,500}"), rf"\1-{REDACTED}"),
    (re.compile(r"\b(Bearer|Basic)\s{1,9}[\w.~+/=:-]{6,2000}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)(?:[^\s/?#@:]{0,300}:[^\s]{0,300}|[^\s/?#@]{1,300})@", re.IGNORECASE),
     rf"\1{REDACTED}@"),
    (re.compile(rf"""\b({_NAMED})(["']?\s?[=:]\s?["']?)(?!\[redacted)[^\s"'&;,)}}]{{1,2000}}""", re.IGNORECASE),
     rf"\1\2{REDACTED}"),
)  # fmt: skip


def clean(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """The fields of a line as JSON can hold them, without secrets and control characters; never raises."""
    return _members(fields, 0)


def _members(fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    cleaned = {}
    for name, value in islice(fields.items(), ITEMS_MAX):
        shown, secret = _name(safe_str(name))
        cleaned[shown] = REDACTED if secret and value is not None else clean_value(value, depth)
    return cleaned


@lru_cache(maxsize=1024)
def _name(name: str) -> tuple[str, bool]:
    """How a field is called, and whether its name tells that its value is nobody's business."""
    return clean_text(name), _SECRET_NAME.fullmatch(name) is not None


def clean_value(value: object, depth: int = 0) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool | float):
        return str(value) if isinstance(value, float) and not isfinite(value) else value
    if isinstance(value, int) and value.bit_length() <= INTEGER_BITS_MAX:
        return int(value)
    return LEFT_OUT if depth >= DEPTH_MAX else _contents(value, depth + 1)


def _contents(value: object, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _members(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_value(member, depth) for member in islice(value, ITEMS_MAX)]
    if isinstance(value, bytes | bytearray):
        return clean_text(bytes(value[: 4 * CHARS_MAX]).decode("utf-8", "replace"))
    return clean_text(safe_str(value))


def clean_text(text: str) -> str:
    """One line, without secrets, of at most `CHARS_MAX` characters: of a longer one the beginning and the end."""
    if text.isalnum() and len(text) <= CHARS_MAX:
        return text  # most ids
    # More than what is shown, so that no half of a secret is left at a cut.
    text = _cut(text, 4 * CHARS_MAX)
    if _SUSPECT.search(text):
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
    return _cut(_CONTROL.sub(" ", text), CHARS_MAX)


def _cut(text: str, chars_max: int) -> str:
    half = (chars_max - 1) // 2
    return text if len(text) <= chars_max else f"{text[:half]}{LEFT_OUT}{text[-half:]}"


def safe_str(value: object) -> str:
    """`str(value)`, or a stand-in for what cannot be shown."""
    try:
        return str(value)
    # Anything may be logged, and its own code runs here.
    except Exception:  # noqa: BLE001
        return f"<{type(value).__name__}>"
