"""Runs transition scripts on an asyncio client, and again where a passing fault allows it."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis import exceptions

from app.broker.scripts import Script, load_script
from app.redis_async import patient

Argument = str | bytes | int


def transition(name: str) -> Script:
    """The transition script `lua/<name>.lua`, with the library all of them share."""
    return load_script("app.dispatch", f"{name}.lua", includes=("lib.lua",))


class ScriptRunner:
    """
    Calls scripts by hash and loads them where the server does not know them yet.

    Every transition is idempotent, so a call whose reply was lost is sent again for at most `retry_ms_max`;
    then `Unavailable` is raised.
    """

    def __init__(self, client: "redis.asyncio.Redis", *, retry_ms_max: int) -> None:
        self._client = client
        self._retry_ms_max = retry_ms_max

    async def __call__(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> list[Any]:
        return await patient(lambda: self._evaluate(script, keys, args), self._retry_ms_max)

    async def _evaluate(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> list[Any]:
        try:
            reply = await self._client.evalsha(script.sha1, len(keys), *keys, *args)
        except exceptions.NoScriptError:
            reply = await self._client.eval(script.source, len(keys), *keys, *args)
        return list(reply)
