"""A thousand dead letters: told apart by their error, and dealt with all at once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
import redis
from dramatiq.message import Message
from playwright.sync_api import Page, Route, expect

from app.broker.keys import ShardKeys
from app.keys import Keys
from tests.dashboard.conftest import WAIT_MS, Open
from tests.deployment import Stack

pytestmark = pytest.mark.full

#: No agent has it, so whatever comes into it again stays there.
QUEUE = "elsewhere"
TIMEOUTS, LOSSES = 700, 300
STRANGE = 140
FEW = 20


@pytest.fixture
def shard(stack: Stack) -> ShardKeys:
    return ShardKeys(Keys(stack.environment["STEPSTREAM_NAMESPACE"]).tag)


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        yield client


def bury(client: "redis.Redis", shard: ShardKeys, errors: list[str]) -> None:
    """Letters as the broker writes them, the last one the newest."""
    keys = shard.queue(QUEUE)
    at_ms = int(client.time()[0]) * 1000 - len(errors)
    pipeline = client.pipeline(transaction=False)
    pipeline.sadd(shard.queues, QUEUE)
    for number, error in enumerate(errors):
        message = Message(QUEUE, "crawl", (number,), {}, {}, message_id=f"m{number}", message_timestamp=1)
        died_ms = at_ms + number
        meta = {"reason": "failed", "error": error, "level": 1, "deliveries": 3, "history": [], "died_at": died_ms}
        pipeline.zadd(keys.dlq, {f"m{number}": died_ms})
        pipeline.hset(keys.dlq_bodies, f"m{number}", message.encode())
        pipeline.hset(keys.dlq_meta, f"m{number}", orjson.dumps(meta))
    pipeline.execute()


def deed(page: Page, card: str, verb: str) -> None:
    """Asks for it on the card of an error, and says yes."""
    page.get_by_role("region", name=re.compile(card)).get_by_role("button", name=re.compile(f"^{verb}")).first.click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{verb}")).click()


@contextmanager
def a_few_only(page: Page, path: str) -> Iterator[None]:
    """The first letters are dealt with; the others wait until the end of the block: the work does not end before."""
    passed, held = iter(range(FEW)), list[Route]()

    def answer(route: Route) -> None:
        if next(passed, None) is None:
            held.append(route)
        else:
            route.continue_()

    page.route(path, answer)
    yield
    page.unroute(path, answer)
    for route in held:
        route.continue_()


def test_a_thousand_letters_are_two_errors_and_two_decisions(
    stack: Stack, shard: ShardKeys, client: "redis.Redis", open_page: Open
) -> None:
    """Requeued and discarded in the open, with a server that is busy in between; every one once, and none is left."""
    timeouts = [f"TimeoutError: no answer after {n % 60} s" for n in range(TIMEOUTS)]
    bury(client, shard, [*timeouts, *(f"ConnectionError: peer 10.0.0.{n % 250} went away" for n in range(LOSSES))])
    page = open_page(stack.url, f"#/dead-letters?queue={QUEUE}")
    expect(page.get_by_role("heading", name=re.compile(f"^{TIMEOUTS} . crawl"))).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("heading", name=re.compile(f"^{LOSSES} . crawl"))).to_be_visible()
    assert page.locator("*").count() < 500

    page.get_by_role("region", name=re.compile("no answer")).get_by_text("Each of them").click()
    expect(page.get_by_role("region", name=re.compile("no answer")).get_by_role("listitem")).to_have_count(50)
    busy = iter(range(8))

    def sometimes(route: Route) -> None:
        if next(busy, None) is None:
            route.fallback()
        else:
            route.fulfill(status=503, headers={"Retry-After": "0"}, json={"title": "Busy"})

    with a_few_only(page, "**/dead-letters/*/requeue"):
        page.route(re.compile("/requeue$"), sometimes)
        deed(page, "no answer", "Requeue")
        expect(page.get_by_role("dialog").get_by_role("status")).to_have_text(f"{FEW} of {TIMEOUTS} …")
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=2 * WAIT_MS)
    assert client.xlen(shard.queue(QUEUE).stream(1)) == TIMEOUTS
    expect(page.get_by_role("heading", name=re.compile(". crawl$"))).to_have_count(1)

    with a_few_only(page, "**/dead-letters/*"):
        deed(page, "went away", "Discard")
        page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("dialog")).to_contain_text("Stopped. The others are as they were.")
    page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).last.click()
    left = client.zcard(shard.queue(QUEUE).dlq)
    assert 0 < left < LOSSES
    deed(page, "went away", "Discard")
    expect(page.get_by_text("No dead letters.")).to_be_visible(timeout=2 * WAIT_MS)
    assert client.zcard(shard.queue(QUEUE).dlq) == 0
    client.delete(shard.queue(QUEUE).stream(1))


def test_errors_that_are_all_different_do_not_drown_the_page(
    stack: Stack, shard: ShardKeys, client: "redis.Redis", open_page: Open
) -> None:
    """The most frequent come first, and the page says how many there are beside them."""
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(STRANGE)]
    bury(client, shard, [*(f"OddError: {word}" for word in words), "OddError: often", "OddError: often"])
    page = open_page(stack.url, f"#/dead-letters?queue={QUEUE}")

    expect(page.locator(".groups .card")).to_have_count(100, timeout=WAIT_MS)
    expect(page.locator(".groups .card").first).to_contain_text("OddError: often")
    expect(page.get_by_text(f"and {STRANGE + 1 - 100} rarer errors")).to_be_visible()
    client.delete(shard.queue(QUEUE).dlq, shard.queue(QUEUE).dlq_meta, shard.queue(QUEUE).dlq_bodies)
