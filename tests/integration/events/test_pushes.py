"""The push connection of a process notices that its server is not there any more."""

import asyncio
from contextlib import suppress

import pytest

from app import redis_async
from app.events import pushes
from app.events.pushes import Pushes
from tests.faults.broker_proxy import SwallowingProxy

pytestmark = pytest.mark.anyio


async def test_a_half_open_connection_is_noticed_while_subscriptions_change(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Viewers that come and go leave no pause for a ping; the silence of the server is noticed all the same."""
    monkeypatch.setattr(pushes, "PING_S", 0.5)
    monkeypatch.setattr(pushes, "SILENCE_S_MAX", 0.3)
    proxy = SwallowingProxy(redis_url, hangs=True)
    client = redis_async.connect(proxy.url)
    confirmed, lost = asyncio.Event(), asyncio.Event()
    watched = Pushes(client, on_push=lambda *_: None, on_confirmed=lambda _: confirmed.set(), on_lost=lost.set)
    running = asyncio.create_task(watched.run())
    watched.subscribe(f"{{{namespace}:0}}:ev:first")
    async with asyncio.timeout(60):
        await confirmed.wait()
        proxy.arm(1)
        number = 0
        while not lost.is_set():
            number += 1
            watched.subscribe(f"{{{namespace}:0}}:ev:{number}")
            await asyncio.sleep(0.01)

    while not running.done():
        running.cancel()
        await asyncio.wait([running], timeout=0.1)
    with suppress(asyncio.CancelledError):
        await running
    proxy.close()
    await client.aclose()
