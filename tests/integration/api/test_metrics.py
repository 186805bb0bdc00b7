"""What Prometheus is told of Redis: the same as the logs say, whatever this process itself has seen."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import redis.asyncio
from anyio.abc import SocketAttribute

from app.broker.keys import ShardKeys
from app.keys import Keys
from app.metrics.prometheus import reading
from app.model.agents import AgentRegistry
from app.redis_async import connect
from tests.integration.api.support import Api, Worker, running
from tests.unit.test_metrics_prometheus import promtool, samples

pytestmark = pytest.mark.anyio


async def scraped(api: Api) -> dict[tuple[str, ...], float]:
    """By name and label values."""
    reply = await api.http.get("/metrics")
    assert reply.status_code == 200
    return samples(reply.content)


async def test_events_are_counted_as_the_logs_have_them(api: Api, worker: Worker) -> None:
    """By type and agent, over all tasks; a process that has seen none of it tells them too."""
    whole, broken = await api.submit(), await api.submit()
    await worker.finish(whole, 1, 2, 3)
    await worker.fail(broken, 1)
    events = [*await api.events(whole), *await api.events(broken)]
    settings = api.services.settings

    async with running(redis_url=settings.redis_url, namespace=settings.namespace) as other:
        found = [await scraped(one) for one in (api, other)]

    written = Counter((event.get("agent", ""), event["type"]) for event in events)
    for scrape in found:
        counted = {key[1:]: value for key, value in scrape.items() if key[0] == "stepstream_events_total" and value}
        assert counted == written


async def test_queues_without_a_worker_tell_how_late_they_are(
    api: Api, worker: Worker, client: "redis.asyncio.Redis"
) -> None:
    """A delayed message that is due and that nobody moves; a queue that is paused; who reads which."""
    shard = ShardKeys(api.services.keys.tag)
    await worker.defer(await api.submit(), 1)
    seconds, _ = await client.time()
    due = shard.queue("retriever").due
    await client.zadd(due, {(await client.zrange(due, 0, 0))[0]: seconds * 1000 - 90_000})
    await client.sadd(shard.paused, "writer")
    for name, queues in (("h:1:a", "writer,analyzer"), ("h:2:b", "writer"), ("h:3:dead", "")):
        await client.zadd(shard.workers, {name: seconds * 1000})
        if queues:
            await client.hset(shard.worker(name), mapping={"queues": queues})

    found = await scraped(api)

    assert 90 <= found["stepstream_queue_due_lag_seconds", "retriever"] < 600
    assert found["stepstream_queue_due_lag_seconds", "writer"] == 0
    assert [found["stepstream_queue_paused", queue] for queue in ("retriever", "writer")] == [0, 1]
    assert [found["stepstream_queue_workers", name] for name in ("retriever", "analyzer", "writer")] == [0, 1, 2]
    assert found["stepstream_workers",] == 2


@pytest.fixture
async def humble_url(redis_url: str, client: "redis.asyncio.Redis", namespace: str) -> AsyncIterator[str]:
    """The same server for a user that may do everything but ask how it is."""
    await client.acl_setuser(
        namespace, enabled=True, passwords=["+secret"], categories=["+@all"], commands=["-info", "-config"],
        keys=["*"], channels=["*"],
    )  # fmt: skip
    scheme, _, place = redis_url.partition("://")
    yield f"{scheme}://{namespace}:secret@{place}"
    await client.acl_deluser(namespace)


async def test_a_user_that_may_not_ask_the_server_loses_only_what_it_says(humble_url: str, namespace: str) -> None:
    """Memory, policy and persistence are left out; everything else is there."""
    async with running(redis_url=humble_url, namespace=namespace) as api:
        await api.submit()
        found = await scraped(api)

    assert found["stepstream_redis_up",] == 1
    assert found["stepstream_events_total", "", "task.submitted"] == 1
    assert found["stepstream_queue_backlog", "retriever"] == 1
    assert {name for name, *_ in found if name.startswith("stepstream_redis_")} == {"stepstream_redis_up"}


async def test_a_counter_that_another_program_has_broken_leaves_the_rest(
    api: Api, client: "redis.asyncio.Redis"
) -> None:
    """What cannot be read is left out."""
    await client.set(api.services.keys.totals, "harm")

    found = await scraped(api)

    assert found["stepstream_open_tasks",] == 0
    assert not any(name == "stepstream_events_total" for name, *_ in found)


async def test_a_server_that_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape waits for it a bounded time, and then tells of the process alone."""
    monkeypatch.setattr(reading, "SCRAPE_S_MAX", 0.1)
    nobody: Any = None
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        silent_client = connect(f"redis://127.0.0.1:{silent.extra(SocketAttribute.local_port)}")
        reader = reading.TruthReader(silent_client, Keys("x"), nobody, AgentRegistry())

        assert await reader.read() is None
        await silent_client.aclose()


async def test_live_events_are_timed(served: Api, worker: Worker) -> None:
    """Once per push for whoever watches; what is read from the log is no live event."""
    task_id = await served.submit()
    async with served.http.stream("GET", f"/stream/{task_id}") as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            if "step.queued" in line:
                break
        before = (await scraped(served))["stepstream_event_delivery_lag_seconds_count",]
        await worker.finish(task_id, 1, 2, 3)
        async for line in lines:
            if "stream.end" in line:
                break

    found = await scraped(served)

    # Three starts and three completions.
    assert (before, found["stepstream_event_delivery_lag_seconds_count",]) == (0, 6)
    assert 0 <= found["stepstream_event_delivery_lag_seconds_sum",] < 60


@pytest.mark.full
async def test_a_scrape_is_what_prometheus_expects(api: Api, worker: Worker) -> None:
    """Its own tool finds nothing to say about names, units and help texts."""
    tool = promtool()
    await worker.finish(await api.submit(), 1, 2, 3)
    await api.http.get("/tasks", headers={"Authorization": "Basic x"})
    text = (await api.http.get("/metrics")).content

    with anyio.fail_after(60):
        done = await anyio.run_process([tool, "check", "metrics"], input=text, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
