"""
The oldest servers this broker works with.

Older ones lack what is used everywhere: `XAUTOCLAIM` that clears deleted entries, script flags, sharded
channels. Found out late, that would be an endless row of strange errors.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from .errors import ServerTooOld

Version = tuple[int, ...]

REDIS_FLOOR: Version = (7, 0, 4)
VALKEY_FLOOR: Version = (7, 2)
FLOOR_TEXT = "Redis 7.0.4 or Valkey 7.2"


class Floor:
    """Asks the server for its version, once."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._checked = False

    def check(self) -> None:
        """Raises `ServerTooOld`; a server that does not tell its version is taken as new enough."""
        if self._checked:
            return
        # INFO may be forbidden to this user.
        with suppress(NoPermissionError):
            require(self._client.info("server"))
        self._checked = True


def require(server: Mapping[str, Any]) -> None:
    """Raises `ServerTooOld` for the `server` section of an INFO below the floor."""
    if "valkey_version" in server:
        name, text, floor = "Valkey", str(server["valkey_version"]), VALKEY_FLOOR
    else:
        name, text, floor = "Redis", str(server.get("redis_version", "")), REDIS_FLOOR
    version = parse(text)
    if version and version < floor:
        raise ServerTooOld(f"{name} {text}", FLOOR_TEXT)


def parse(text: str) -> Version:
    """`7.0.15` as numbers, as far as there are numbers."""
    parts: list[int] = []
    for part in text.split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)
