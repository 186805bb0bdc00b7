"""The events of everything in one stream, over HTTP."""

import asyncio
import re
from typing import Any

import orjson
import pytest
import redis.asyncio

from app.api.firehose import FireFilter
from app.api.type_filter import TypeFilter
from app.events.fire_log import FireEvent, Owner, Spot
from app.keys import Keys
from tests.integration.api.guarded import guarded
from tests.integration.api.support import LINE, Api, Worker, problem_of
from tests.integration.api.test_stream_route import body_of, open_stream

pytestmark = pytest.mark.anyio

FRAME = re.compile(rb"id: (\S+)\nevent: (\S+)\ndata: ({.*})\n\n")


def told(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Pairs of position and event."""
    return [(match[1].decode(), orjson.loads(match[3])) for match in FRAME.finditer(body)]


async def logged(api: Api, *task_ids: str) -> dict[str, list[dict[str, Any]]]:
    return {task_id: await api.events(task_id) for task_id in task_ids}


def by_task(events: list[tuple[str, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for _, event in events:
        if "task_id" in event:
            found.setdefault(event["task_id"], []).append(event)
    return found


async def worker_tells(client: "redis.asyncio.Redis", keys: Keys, *kinds: str) -> None:
    """As the event bus of a worker writes it."""
    lines = [orjson.dumps({"v": 1, "type": kind, "ts": 1, "worker": "w1", "data": {}}) for kind in kinds]
    await client.xadd(keys.fire, {"e": b"\n".join(lines)})


async def test_whoever_watches_sees_all_tasks_and_workers_from_now_on(
    served: Api, worker: Worker, client: "redis.asyncio.Redis", namespace: str
) -> None:
    """Not what was before; then every event of every task in its order, and what workers tell."""
    before = await served.submit()

    async with open_stream(served, "/events") as reply:
        chunks = reply.aiter_bytes()
        body = await anext(chunks)
        one, two = [await served.submit() for _ in range(2)]
        await worker.finish(one, 1, 2, 3)
        await worker.finish(two, 1)
        await worker_tells(client, Keys(namespace), "worker.up", "worker.down")
        while b"worker.down" not in body:
            body += await anext(chunks)

    events = told(body)
    assert re.match(rb"retry: 2000\n\nid: [0-9]+-[0-9]+\.[0-9]+\n\n", body)
    assert by_task(events) == await logged(served, one, two)
    assert [event["type"] for _, event in events if "task_id" not in event] == ["worker.up", "worker.down"]
    assert before not in by_task(events)


async def test_a_client_comes_back_to_any_position(
    served: Api, worker: Worker, client: "redis.asyncio.Redis", namespace: str
) -> None:
    """Also in the middle of what one transition wrote; a time and 0 are positions too."""
    task_id = await served.submit()
    await worker_tells(client, Keys(namespace), "worker.up", "batch.received", "batch.settled")
    await worker.finish(task_id, 1, 2, 3)

    whole = told(await body_of(served, "/events?follow=false"))
    assert by_task(whole) == await logged(served, task_id)
    assert len(whole) == len(await served.events(task_id)) + 3
    for index, (position, _) in enumerate(whole[:-1]):
        assert told(await body_of(served, "/events?follow=false", **{"last-event-id": position})) == whole[index + 1 :]
    started = next(event["ts"] for _, event in whole if event["type"] == "task.started")
    since = told(await body_of(served, f"/events?follow=false&after={started}"))
    assert since == whole[-len(since) :]
    assert "task.started" in {event["type"] for _, event in since}
    assert told(await body_of(served, "/events?follow=false&after=0")) == whole
    at_end = await served.http.get("/events?follow=false", headers={"last-event-id": whole[-1][0]})
    assert at_end.status_code == 204


async def test_a_live_viewer_that_reconnects_misses_nothing(served: Api, worker: Worker) -> None:
    """One connection per event, while tasks run: the pieces join to the whole, each event once."""
    seen: list[tuple[str, dict[str, Any]]] = []
    async with open_stream(served, "/events") as reply:
        opening = await anext(reply.aiter_bytes())
    position = re.search(rb"id: (\S+)", opening)[1].decode()  # type: ignore[index]

    task_id = await served.submit()
    work = asyncio.create_task(worker.finish(task_id, 1, 2, 3))
    while not seen or seen[-1][1]["type"] != "task.completed":
        body = b""
        async with open_stream(served, "/events", **{"last-event-id": position}) as reply:
            async for chunk in reply.aiter_bytes():
                body += chunk
                if FRAME.search(body):
                    break
        seen.append(told(body)[0])
        position = seen[-1][0]
    await work

    assert by_task(seen) == await logged(served, task_id)


async def test_a_trimmed_position_is_told(served: Api, client: "redis.asyncio.Redis", namespace: str) -> None:
    """What was lost is not passed over in silence; the stream goes on with the oldest that is kept."""
    first, _ = [await served.submit() for _ in range(2)]
    whole = told(await body_of(served, "/events?follow=false"))
    position, event = whole[0]
    assert event["task_id"] == first
    await client.xtrim(Keys(namespace).fire, maxlen=1, approximate=False)

    for query in (f"after={position}", f"after={int(position.partition('-')[0]) - 1}"):
        body = await body_of(served, f"/events?follow=false&{query}")
        kept = told(body)
        gap = orjson.loads(re.search(rb"event: stream.gap\ndata: (.*)\n\n", body)[1])  # type: ignore[index]
        assert gap["first"] == kept[0][0]
        assert gap["requested"].startswith(query.removeprefix("after="))
        assert kept == whole[-len(kept) :]
    assert b"stream.gap" not in await body_of(served, "/events?follow=false&after=0")
    assert b"stream.gap" not in await body_of(served, f"/events?follow=false&after={whole[-2][0]}")


async def test_a_position_of_another_history_is_told(
    served: Api, client: "redis.asyncio.Redis", namespace: str
) -> None:
    """A firehose that was lost with its server is another one."""
    await served.submit()
    position = told(await body_of(served, "/events?follow=false"))[-1][0]
    await client.delete(Keys(namespace).fire)
    task_id = await served.submit()

    body = await body_of(served, f"/events?follow=false&after={position}")

    assert b"event: stream.gap" in body
    assert by_task(told(body)) == await logged(served, task_id)


async def test_a_firehose_that_is_lost_while_it_is_watched_goes_on(
    served: Api, client: "redis.asyncio.Redis", namespace: str
) -> None:
    """The viewer hears of the gap, then of what follows."""
    await served.submit()
    async with open_stream(served, "/events") as reply:
        chunks = reply.aiter_bytes()
        body = await anext(chunks)
        await client.delete(Keys(namespace).fire)
        task_id = await served.submit()
        while b"step.queued" not in body:
            body += await anext(chunks)

    assert body.count(b"event: stream.gap") == 1
    assert by_task(told(body)) == await logged(served, task_id)


async def test_deleted_tasks_are_passed_over(served: Api, worker: Worker) -> None:
    """The firehose still names their events, but they are gone with their task."""
    one, two = [await served.submit() for _ in range(2)]
    await worker.finish(one, 1, 2, 3)
    assert (await served.http.delete(f"/tasks/{one}")).status_code == 204

    events = told(await body_of(served, "/events?follow=false"))

    assert by_task(events) == await logged(served, two)


async def test_damage_in_the_firehose_harms_nobody(served: Api, client: "redis.asyncio.Redis", namespace: str) -> None:
    """Lines that are no events are left out."""
    await client.xadd(Keys(namespace).fire, {"e": b'not json\n[1]\n{"type":"worker.up"}\n{}'})
    await client.xadd(Keys(namespace).fire, {"x": b"y"})

    events = told(await body_of(served, "/events?follow=false"))

    assert [event for _, event in events] == [{"type": "worker.up"}]


async def test_a_filter_holds_for_the_end_of_tasks_too(served: Api, worker: Worker) -> None:
    """Types and labels; here no event is the last one."""
    marked = await served.submit(labels={"team": "red", "kind": "a"})
    other = await served.submit(labels={"team": "blue"})
    await worker.finish(marked, 1, 2, 3)
    await worker.finish(other, 1, 2, 3)

    kinds = told(await body_of(served, "/events?follow=false&types=step.completed"))
    red = told(await body_of(served, "/events?follow=false&label=team:red&label=kind:a"))
    none = told(await body_of(served, "/events?follow=false&label=team:red&label=kind:b"))

    assert [event["type"] for _, event in kinds] == ["step.completed"] * 6
    assert by_task(red) == await logged(served, marked)
    assert none == []
    problem_of(await served.http.get("/events?follow=false&label=team"), 422)


async def test_a_tenant_filter_leaves_others_and_workers_out() -> None:
    """Workers belong to nobody."""
    mine, theirs = (FireEvent(Spot(1), b'{"v":1,"type":"a"}', Owner(name, {})) for name in ("mine", "theirs"))
    workers = FireEvent(Spot(1), b'{"v":1,"type":"worker.up"}', None)

    wanted = FireFilter(TypeFilter(None), "mine", {})

    assert [wanted(event) for event in (mine, theirs, workers)] == [True, False, False]


async def test_an_administrator_sees_all_tenants(redis_url: str, namespace: str) -> None:
    """And may look at one of them alone."""
    async with guarded(redis_url, namespace) as api:
        headers = api.headers("administrator")
        ours = await api.task()
        reply = await api.http.post("/run-task", json={"task": "Do it", "plan": LINE}, headers=api.theirs)
        theirs = reply.json()["task_id"]

        both = await api.http.get("/events?follow=false", headers=headers)
        one = await api.http.get("/events?follow=false&tenant=theirs", headers=headers)

        assert set(by_task(told(both.content))) == {ours, theirs}
        assert set(by_task(told(one.content))) == {theirs}


async def test_lines_of_the_firehose_are_events_alone(served: Api) -> None:
    """Positions are not in them; the time of the last event is one."""
    task_id = await served.submit()

    reply = await served.http.get("/events?follow=false", headers={"accept": "application/x-ndjson"})

    events = [orjson.loads(line) for line in reply.content.splitlines() if line]
    assert events == [*await served.events(task_id), {"v": 1, "type": "stream.end", "data": {}}]


async def test_what_makes_no_sense_is_refused(served: Api) -> None:
    """Positions are checked before the stream opens."""
    for position in ("x", "1-", "1-2.", "1-2.x", "-1", "1.5", "9" * 16, "1-1-1", "٣"):
        problem_of(await served.http.get("/events", params={"after": position, "follow": "false"}), 400)


async def test_a_type_that_no_event_has_is_refused_before_anybody_waits_for_it(served: Api) -> None:
    """In every stream, with the name that was probably meant."""
    task_id = await served.submit()

    for path in ("/events", "/stream", f"/stream/{task_id}"):
        refused = problem_of(await served.http.get(path, params={"task_id": task_id, "types": "task.*,stpe.*"}), 422)
        said = "'stpe.*' is no type of event; did you mean step.*?"
        assert refused["errors"] == [{"parameter": "types", "detail": said}]


@pytest.fixture
async def crowd(served: Api) -> list[asyncio.Task[bytes]]:
    """Three viewers, which is as many as there may be."""

    async def read() -> bytes:
        body = b""
        async with open_stream(served, "/events") as reply:
            async for chunk in reply.aiter_bytes():
                body += chunk
                begun.release()
                if b"task.cancelled" in body:
                    return body
        return body

    begun = asyncio.Semaphore(0)
    readers = [asyncio.create_task(read()) for _ in range(3)]
    for _ in readers:
        await begun.acquire()
    return readers


async def test_one_reader_serves_all_and_ends_with_the_last(
    served: Api, crowd: list["asyncio.Task[bytes]"], client: "redis.asyncio.Redis"
) -> None:
    """All see the same; the process reads once, and not at all when nobody watches. One viewer too many is refused."""
    problem_of(await served.http.get("/events"), 503)
    readers = [task for task in asyncio.all_tasks() if task.get_name() == "firehose"]
    task_id = await served.submit()
    await served.steer(task_id, "cancel", mode="force")
    seen = [by_task(told(await reader)) for reader in crowd]

    assert len(readers) == 1
    assert seen == [await logged(served, task_id)] * 3
    async with asyncio.timeout(60):
        while [task for task in asyncio.all_tasks() if task.get_name() == "firehose"]:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.01)
    assert served.services.hub.counters.viewers == 0
