"""Which types of events a client asks for."""

from difflib import get_close_matches
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from app.events.sse import Control, Piece
from app.model.events import EVENT_TYPES
from app.model.fire import WORKER_TYPES

TYPES_MAX = 50
KNOWN = (*EVENT_TYPES, *sorted(WORKER_TYPES))
FAMILIES = tuple(dict.fromkeys(f"{name.partition('.')[0]}.*" for name in KNOWN))
#: How much of a wrong name is looked at, and shown.
NAME_CHARS = 40


def known_types(wanted: str) -> str:
    """Raises `ValueError` for what no event is called: whoever waits for a slip of the pen waits for ever."""
    names = _names(wanted)
    if len(names) > TYPES_MAX:
        raise ValueError(f"names {len(names)} types; at most {TYPES_MAX} are allowed")
    for name in names:
        if not _is_known(name):
            raise ValueError(f"{name[:NAME_CHARS]!r} is no type of event; {_advice(name[:NAME_CHARS])}")
    return wanted


Types = Annotated[
    str | None,
    AfterValidator(lambda wanted: wanted and known_types(wanted)),
    Query(
        description="Only these, as in `step.*,task.started`; a name that no event has is refused. "
        "Terminal events always pass."
    ),
]


class TypeFilter:
    """Which events a client asked for; without a list, all."""

    def __init__(self, wanted: str | None) -> None:
        names = _names(wanted or "")
        self._all = not names
        self._names = frozenset(name for name in names if not name.endswith("*"))
        self._prefixes = tuple(name[:-1] for name in names if name.endswith("*"))

    def __call__(self, piece: Piece) -> bool:
        if self._all or piece.terminal or isinstance(piece, Control):
            return True
        return piece.type in self._names or piece.type.startswith(self._prefixes)


def _names(wanted: str) -> list[str]:
    return [name for part in wanted.split(",") if (name := part.strip())]


def _is_known(name: str) -> bool:
    if name.endswith("*"):
        return any(known.startswith(name[:-1]) for known in KNOWN)
    return name in KNOWN


def _advice(name: str) -> str:
    near = get_close_matches(name.lower(), (*FAMILIES, *KNOWN), 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(FAMILIES)}"
