"""Limits per key: how often it may ask, over all API processes, and how many streams it may hold."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
import redis
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from app.access import limiter
from app.access.keyring import Keyring
from app.access.limiter import WINDOW_S, Window
from app.access.principal import Rates, Scope
from app.keys import Keys
from tests.integration.api.guarded import Guarded, guarded
from tests.integration.api.support import problem_of

pytestmark = pytest.mark.anyio

LIMIT = 10


@pytest.fixture(scope="module")
def shared_namespace() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
async def api(redis_url: str, shared_namespace: str) -> AsyncIterator[Guarded]:
    async with guarded(
        redis_url, shared_namespace, rate_submit_per_min=LIMIT, rate_read_per_min=LIMIT, key_streams_max=2
    ) as api:
        yield api


@pytest.fixture
def ring(redis_client: "redis.Redis", shared_namespace: str) -> Keyring:
    return Keyring(redis_client, Keys(shared_namespace))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine lets nobody pass uncounted here."""
    monkeypatch.setattr(limiter, "PATIENCE_S", 30.0)


def key(ring: Keyring, **rates: int) -> dict[str, str]:
    token, _ = ring.create(tenant="mine", scopes=[Scope.SUBMIT, Scope.READ], rates=Rates(**rates))
    return {"Authorization": f"Bearer {token.text}"}


async def burst(apis: list[Guarded], path: str, headers: dict[str, str], count: int) -> list[httpx2.Response]:
    """So many requests at the same moment, spread over the processes."""
    return await asyncio.gather(*(apis[n % len(apis)].http.get(path, headers=headers) for n in range(count)))


async def test_a_burst_over_two_servers_gets_through_as_often_as_one_limit_says(
    api: Guarded, ring: Keyring, redis_url: str, redis_client: "redis.Redis", shared_namespace: str
) -> None:
    """Exactly the limit passes, the rest is told when to come back, and what is kept expires by itself."""
    headers = key(ring)
    async with guarded(redis_url, shared_namespace, alone=False, rate_read_per_min=LIMIT) as other:
        replies = await burst([api, other], "/agents", headers, 4 * LIMIT)

    assert Counter(reply.status_code for reply in replies) == {200: LIMIT, 429: 3 * LIMIT}
    for reply in replies:
        assert reply.headers["ratelimit-policy"] == f'"read";q={LIMIT};w={WINDOW_S}'
        if reply.status_code == 429:
            assert problem_of(reply, 429)["type"].endswith("rate-limited")
            assert 1 <= int(reply.headers["retry-after"]) <= WINDOW_S + 1
            assert reply.headers["ratelimit"].startswith('"read";r=0;t=')
    left = sorted(int(r.headers["ratelimit"].split(";")[1][2:]) for r in replies if r.status_code == 200)
    assert (left[0], left[-1]) == (0, LIMIT - 1)
    kept = list(redis_client.scan_iter(match=f"{api.services.keys.rate}*"))
    assert kept
    assert {0 < await api.services.redis.pttl(name) <= 2000 * WINDOW_S for name in kept} == {True}


async def test_submissions_reads_and_keys_are_limited_apart(api: Guarded, ring: Keyring) -> None:
    """One that has used up its reads may still submit, and other keys of its tenant go on."""
    mine, other = key(ring), key(ring)
    spent = await burst([api], "/agents", mine, LIMIT + 1)
    submitted = await api.http.post("/run-task", json={"task": "Do it"}, headers=mine)
    read = await api.http.get("/agents", headers=other)

    assert spent[-1].status_code == 429 or 429 in {reply.status_code for reply in spent}
    assert submitted.status_code == 202
    assert submitted.headers["ratelimit"].startswith(f'"submit";r={LIMIT - 1};')
    assert read.status_code == 200


async def test_a_key_may_have_limits_of_its_own(api: Guarded, ring: Keyring) -> None:
    """Fewer, more, or none at all; then no header tells of one."""
    fewer = await burst([api], "/agents", key(ring, read_per_min=3), LIMIT)
    none = await burst([api], "/agents", key(ring, read_per_min=0), 2 * LIMIT)

    assert Counter(reply.status_code for reply in fewer) == {200: 3, 429: LIMIT - 3}
    assert {reply.status_code for reply in none} == {200}
    assert not any("ratelimit" in reply.headers for reply in none)


async def test_a_refused_request_costs_nothing_else(api: Guarded, ring: Keyring) -> None:
    """No task is accepted, and a missing scope is no request of the limit."""
    headers = key(ring, submit_per_min=1)
    before = await api.services.redis.zcard(api.services.keys.open)
    replies = await asyncio.gather(
        *(api.http.post("/run-task", json={"task": "Do it"}, headers=headers) for _ in range(5))
    )
    reader, _ = ring.create(tenant="mine", scopes=[Scope.READ], rates=Rates(read_per_min=1, submit_per_min=1))
    as_reader = {"Authorization": f"Bearer {reader.text}"}
    forbidden = [(await api.http.post("/run-task", json={"task": "x"}, headers=as_reader)).status_code for _ in "abc"]

    assert Counter(reply.status_code for reply in replies) == {202: 1, 429: 4}
    assert await api.services.redis.zcard(api.services.keys.open) == before + 1
    assert forbidden == [403, 403, 403]
    assert (await api.http.get("/agents", headers=as_reader)).status_code == 200


async def test_a_limit_that_cannot_be_counted_lets_requests_pass(
    api: Guarded, ring: Keyring, redis_client: "redis.Redis"
) -> None:
    """A limiter out of order must not keep anybody from what was accepted; a metric tells of it."""
    headers = key(ring)
    name = f"{api.services.keys.rate}:{{LIMITER/read/{headers['Authorization'].split('_')[1]}/{LIMIT}/1/minute}}"
    redis_client.lpush(name, "this is no counter")

    reply = await api.http.get("/agents", headers=headers)

    assert reply.status_code == 200
    assert "ratelimit" not in reply.headers
    figures = (await api.http.get("/metrics", headers=api.headers("administrator"))).text
    assert "stepstream_rate_limit_errors_total 1.0" in figures


async def test_a_key_holds_so_many_streams_and_no_more(api: Guarded, ring: Keyring) -> None:
    """The next one is refused until one ends, however it ends; other keys have places of their own."""
    mine, other = key(ring, read_per_min=0), key(ring)
    reply = await api.http.post("/run-task", json={"task": "Do it"}, headers=mine)
    path = reply.json()["links"]["stream"]
    counted = api.services.access.streams._open

    async with api.http.stream("GET", path, headers=mine), api.http.stream("GET", path, headers=mine):
        refused = await api.http.get(path, headers=mine)
        async with api.http.stream("GET", path, headers=other) as allowed:
            assert allowed.status_code == 200
    while counted:  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0.005)
    async with api.http.stream("GET", path, headers=mine) as again:
        assert again.status_code == 200

    assert problem_of(refused, 429)["type"].endswith("too-many-streams")
    assert int(refused.headers["retry-after"]) > 0


async def test_several_tasks_in_one_stream_are_as_many_streams(api: Guarded, ring: Keyring) -> None:
    """They take as much of what all keys share; a task that is named twice is one."""
    mine = key(ring, read_per_min=0, submit_per_min=0)
    replies = [await api.http.post("/run-task", json={"task": "Do it"}, headers=mine) for _ in range(3)]
    one, *_ = names = [f"task_id={reply.json()['task_id']}" for reply in replies]

    too_many = await api.http.get(f"/stream?follow=false&{'&'.join(names)}", headers=mine)
    async with api.http.stream("GET", f"/stream?{one}&{names[1]}&{one}", headers=mine) as two:
        full = await api.http.get(f"/stream?follow=false&{one}", headers=mine)

    assert two.status_code == 200
    for refused in (too_many, full):
        assert problem_of(refused, 429)["type"].endswith("too-many-streams")


async def test_a_submission_that_stays_open_takes_one_of_its_keys_places(api: Guarded, ring: Keyring) -> None:
    """Without one a stream is refused before anything is accepted, and a wait is none: the usual answer comes."""
    mine = key(ring, submit_per_min=0)
    stream = {"accept": "text/event-stream"}
    body = {"task": "Do it"}
    before = await api.services.redis.zcard(api.services.keys.open)

    async with (
        api.http.stream("POST", "/run-task", json=body, headers=mine | stream) as one,
        api.http.stream("POST", "/run-task", json=body, headers=mine | stream) as two,
    ):
        refused = await api.http.post("/run-task", json=body, headers=mine | stream)
        at_once = await api.http.post("/run-task", json=body, headers=mine | {"prefer": "wait=60"})
    while api.services.access.streams._open:  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0.005)

    assert (one.status_code, two.status_code) == (200, 200)
    assert problem_of(refused, 429)["type"].endswith("too-many-streams")
    assert (at_once.status_code, "preference-applied" in at_once.headers) == (202, False)
    assert await api.services.redis.zcard(api.services.keys.open) == before + 3


@given(st.integers(1, 500), st.integers(0, 500), st.floats(0, WINDOW_S), st.integers(0, 500))
def test_after_the_time_that_is_said_one_more_fits(limit: int, previous: int, left_s: float, current: int) -> None:
    """`Retry-After` is neither too short nor longer than two windows, by the library's own arithmetic."""
    window = Window(min(previous, limit), left_s, min(current, limit), left_s + WINDOW_S)

    wait_s = int(window.wait_s(limit)) + 1

    if wait_s <= left_s:
        later = Window(window.previous, left_s - wait_s, window.current, window.current_s - wait_s)
    else:
        later = Window(window.current, max(0.0, left_s + WINDOW_S - wait_s), 0, WINDOW_S)
    assert later.used() < limit
    assert wait_s <= 2 * WINDOW_S + 1
