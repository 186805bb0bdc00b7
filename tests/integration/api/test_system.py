"""What queues held, and which processes there are, over HTTP."""

from typing import Any

import anyio
import pytest
import redis.asyncio

from app.dispatch import history, presence
from app.dispatch.history import QueueHistory
from app.keys import Keys
from tests.integration.api.support import Api, Worker, problem_of, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
async def sampler(api: Api, client: "redis.asyncio.Redis", keys: Keys) -> QueueHistory:
    """That of the API, which has taken its first sample, and takes another when it is asked to."""
    found: QueueHistory = api.app.state.services.history
    assert await client.xread({keys.history: "0"}, block=4_000)
    await client.delete(keys.history)
    return found


async def sampled(sampler: QueueHistory, client: "redis.asyncio.Redis", keys: Keys) -> None:
    await client.delete(keys.history_lock)
    await sampler.sample()


async def queue_of(api: Api, name: str, **query: Any) -> dict[str, list[Any]]:
    body = (await api.http.get("/queues/history", params=query)).json()
    found: list[dict[str, list[Any]]] = [queue for queue in body["queues"] if queue["name"] == name]
    return {} if not found else found[0] | {"times_ms": body["times_ms"]}


async def reads(client: "redis.asyncio.Redis") -> int:
    """How often anybody has read from a stream."""
    stats: dict[str, Any] = await client.info("commandstats")
    return int(stats.get("cmdstat_xrange", {"calls": 0})["calls"])


async def test_queues_have_a_history(
    api: Api, worker: Worker, sampler: QueueHistory, client: "redis.asyncio.Redis", keys: Keys
) -> None:
    """What waited, and how long those waited and ran that began and succeeded since the sample before."""
    await sampled(sampler, client, keys)
    task_id = await api.submit()
    await api.submit()
    await worker.finish(task_id, 1)
    await sampled(sampler, client, keys)
    await sampled(sampler, client, keys)

    found = await queue_of(api, "retriever")
    assert len(found["times_ms"]) == 3
    assert found["times_ms"] == sorted(found["times_ms"])
    assert found["waiting"] == [0, 2, 2]
    assert [found[name][0] for name in ("wait_p95_ms", "run_p95_ms")] == [None, None]
    assert all(found[name][1] >= 0 for name in ("wait_p95_ms", "run_p95_ms"))
    later = await queue_of(api, "retriever", after_ms=found["times_ms"][1])
    assert (later["times_ms"], later["waiting"]) == (found["times_ms"][2:], [2])
    assert await queue_of(api, "retriever", after_ms=found["times_ms"][2]) == {}


async def test_throughput_is_the_difference_of_the_counters(
    api: Api, sampler: QueueHistory, client: "redis.asyncio.Redis", keys: Keys
) -> None:
    """Per second and queue, without what a fork took over; unknown at first, and where the counters began anew."""
    together = "step.started:retriever:step.completed:retriever"
    counts = {together: 5, "step.failed:retriever": 1, "step.started:retriever": 900}
    forked = {"step.completed:retriever": 70, "kept/retriever": 70, "kept/unknown": 1}
    await client.delete(keys.totals)
    for more in ({}, {together: 105, "step.retry_scheduled:retriever": 100} | forked, {together: 3}):
        await client.hset(keys.totals, mapping=counts | more)
        await anyio.sleep(0.01)
        await sampled(sampler, client, keys)

    found = await queue_of(api, "retriever")
    times, rates = found["times_ms"], found["ended_per_s"]
    assert (rates[0], rates[2]) == (None, None)
    assert rates[1] == pytest.approx(200 * 1000 / (times[1] - times[0]), rel=0.001)
    assert (await queue_of(api, "retriever", after_ms=times[0]))["ended_per_s"] == rates[1:]


async def test_what_was_told_before_is_not_read_again(
    api: Api, sampler: QueueHistory, client: "redis.asyncio.Redis", keys: Keys
) -> None:
    """An open dashboard asks every few seconds: an hour of a hundred queues would cost the loop a tenth of a second."""
    await client.xadd(keys.history, {"retriever": "unreadable"})
    for _ in range(2):
        await sampled(sampler, client, keys)
    *_, told, new = [int(entry_id.partition(b"-")[0]) for entry_id, _ in await client.xrange(keys.history)]

    assert new in (await queue_of(api, "retriever", after_ms=told))["times_ms"]


async def test_one_process_samples_for_all(
    api: Api, sampler: QueueHistory, client: "redis.asyncio.Redis", keys: Keys
) -> None:
    """Whoever comes second within the interval takes none; what is kept is bounded, and goes when nobody samples."""
    await sampled(sampler, client, keys)
    await sampler.sample()
    assert await client.xlen(keys.history) == 1
    assert 0 < await client.pttl(keys.history_lock) <= history.LOCK_MS < history.INTERVAL_S * 1000

    for _ in range(history.SAMPLES_MAX + 5):
        await client.xadd(keys.history, {"retriever": "1 0 0 - - -"})
    await sampled(sampler, client, keys)
    assert await client.xlen(keys.history) == history.SAMPLES_MAX
    assert 0 < await client.pttl(keys.history) <= history.HISTORY_TTL_MS


async def test_a_sample_reads_a_bounded_part_of_what_happened(
    api: Api,
    worker: Worker,
    sampler: QueueHistory,
    client: "redis.asyncio.Redis",
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much that was: at so many moments so many notices."""
    monkeypatch.setattr(history, "MOMENTS", 2)
    monkeypatch.setattr(history, "NOTICES_PER_MOMENT", 3)
    await sampled(sampler, client, keys)
    for _ in range(60):
        await worker.finish(await api.submit(), 1)
    asked = await reads(client)
    await sampled(sampler, client, keys)

    # So many notices at least, each of which names events in a log that would have to be read. The depth of the
    # queues and what the API does by itself are reads as well.
    assert await client.xlen(keys.fire) >= 180
    assert await reads(client) - asked < 100
    assert (await queue_of(api, "retriever"))["run_p95_ms"][1] is not None


async def test_all_api_processes_are_told_of(
    api: Api, client: "redis.asyncio.Redis", keys: Keys, redis_url: str
) -> None:
    """Whichever answers; one that ended is gone at once, one that fell silent a little later."""
    settings = {"redis_url": redis_url, "namespace": keys.namespace}
    async with running(**settings) as other:
        await api.app.state.services.presence.beat()
        found = (await other.http.get("/system")).json()["api_processes"]
        assert len({process["process_id"] for process in found}) == 2
        for process in found:
            assert (process["draining"], process["viewers"]) == (False, 0)
            assert process["silent_ms"] < presence.LIFE_MS
    after = (await api.http.get("/system")).json()["api_processes"]
    assert [process["process_id"] for process in after] == [api.app.state.services.presence.process_id]

    now_s, _ = await client.time()
    await client.zadd(keys.apis, {"h:1:silent": now_s * 1000, "h:2:strange": now_s * 1000})
    await client.set(keys.api("h:2:strange"), "{}", px=presence.LIFE_MS)
    assert (await api.http.get("/system")).json()["api_processes"][0]["process_id"] == after[0]["process_id"]
    assert set(await client.zrange(keys.apis, 0, -1)) == {after[0]["process_id"].encode(), b"h:2:strange"}


async def test_api_processes_that_were_killed_are_forgotten_though_nobody_asks(
    api: Api, client: "redis.asyncio.Redis", keys: Keys
) -> None:
    """One that begins again and again without an end leaves no list that grows."""
    now_s, _ = await client.time()
    killed = {f"h:{pid}:killed": now_s * 1000 - presence.LIST_TTL_MS - pid for pid in range(2000)}
    await client.zadd(keys.apis, killed)

    await api.app.state.services.presence.beat()

    assert await client.zrange(keys.apis, 0, -1) == [api.app.state.services.presence.process_id.encode()]


async def test_redis_says_of_itself_what_an_operator_asks_first(api: Api) -> None:
    """Memory and its limit, what happens when it is full, and whether it writes to disk."""
    said = (await api.http.get("/system")).json()["redis"]

    assert said["memory_bytes"] > 0
    assert said["version"].split()[0] in ("Redis", "Valkey")
    assert (said["role"], said["eviction_policy"], said["append_only"], said["saved"]) == (
        "master", "noeviction", False, True,
    )  # fmt: skip


async def test_samples_of_a_later_version_are_read(
    api: Api, sampler: QueueHistory, client: "redis.asyncio.Redis", keys: Keys
) -> None:
    """While versions change, processes of both take turns; what one does not know it passes over."""
    await client.xadd(keys.history, {"retriever": "4 3 20 - 10 11 something new"})

    found = await queue_of(api, "retriever")
    assert [found[name] for name in ("waiting", "oldest_age_ms", "run_p95_ms")] == [[4], [20], [11]]


async def test_a_position_that_is_none_is_refused(api: Api) -> None:
    """As any query that does not fit."""
    problem_of(await api.http.get("/queues/history", params={"after_ms": "soon"}), 422)
