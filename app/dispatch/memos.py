"""What the side effects of a step have returned, so that they happen once."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from pydantic import JsonValue

from app.errors import Permanent

MEMO_BYTES_MAX = 64 << 10
MEMO_NAME_CHARS_MAX = 200

Known = Callable[[str], Awaitable[bytes | None]]
Keep = Callable[[str, bytes], Awaitable[bytes]]


class Memos:
    """
    The memory of one step, kept for all its attempts.

    `known` gives what was kept under a name, `None` if nothing was; `keep` stores a value unless there is one, and
    gives the one that counts.
    """

    def __init__(self, known: Known, keep: Keep) -> None:
        self._known = known
        self._keep = keep

    @classmethod
    def in_memory(cls) -> "Memos":
        """For an agent that is called without a worker, in a test of its own."""
        kept: dict[str, bytes] = {}

        async def known(name: str) -> bytes | None:
            return kept.get(name)

        async def keep(name: str, value: bytes) -> bytes:
            return kept.setdefault(name, value)

        return cls(known, keep)

    async def once(self, name: str, effect: Callable[[], Any]) -> JsonValue:
        """See `StepContext.once`."""
        kept = await self.recall(name)
        if kept is None:
            value = effect()
            kept = await self.keep(name, await value if inspect.isawaitable(value) else value)
        return decoded(kept)

    async def recall(self, name: str) -> bytes | None:
        """What is kept under the name, encoded; raises `ValueError` for what is no name."""
        if not 0 < len(name) <= MEMO_NAME_CHARS_MAX:
            raise ValueError(f"A name has 1 to {MEMO_NAME_CHARS_MAX} characters.")
        return await self._known(name)

    async def keep(self, name: str, value: object) -> bytes:
        """Keeps the value unless one is kept already; raises `Permanent` for what cannot be kept."""
        return await self._keep(name, _encoded(name, value))


def decoded(kept: bytes) -> JsonValue:
    value: JsonValue = orjson.loads(kept)
    return value


def _encoded(name: str, value: object) -> bytes:
    """The effect has happened: to fail for good is better than to have it happen again."""
    try:
        encoded = orjson.dumps(value)
    except TypeError as error:
        raise Permanent(f"What {name!r} returned is not JSON: {error}.", code="memo_not_json") from error
    if len(encoded) > MEMO_BYTES_MAX:
        raise Permanent(
            f"What {name!r} returned has {len(encoded)} bytes; at most {MEMO_BYTES_MAX} are kept.",
            code="memo_too_large",
        )
    return encoded
