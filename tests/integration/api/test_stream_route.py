"""The event stream over HTTP, from a real server."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import orjson
import pytest
import redis.asyncio

from app.events.log import PAGE_MAX
from tests.integration.api.support import Api, Worker, problem_of

pytestmark = pytest.mark.anyio

FRAME = re.compile(rb"id: ([0-9]+-[0-9]+)\nevent: ([a-z_.]+)\ndata: ({.*})\n\n")


@asynccontextmanager
async def open_stream(api: Api, path: str, **headers: str) -> AsyncIterator[httpx2.Response]:
    async with asyncio.timeout(60), api.http.stream("GET", path, headers=headers) as reply:
        assert reply.status_code == 200
        yield reply


async def body_of(api: Api, path: str, **headers: str) -> bytes:
    async with open_stream(api, path, **headers) as reply:
        return await reply.aread()


def ids(body: bytes) -> list[str]:
    return [match[1].decode() for match in FRAME.finditer(body)]


async def test_a_stream_is_the_log_in_frames(served: Api, worker: Worker) -> None:
    """Retry first, then every event as it is stored, then the end; no proxy may keep any of it."""
    task_id = await served.submit()
    await worker.finish(task_id, 1, 2, 3)
    stored = [event async for page in served.services.log.pages(task_id) for event in page]

    async with open_stream(served, f"/stream/{task_id}") as reply:
        body = await reply.aread()

    assert body.startswith(b"retry: 2000\n\nid: 1-")
    assert body.endswith(b"event: stream.end\ndata: {}\n\n")
    assert [match.groups() for match in FRAME.finditer(body)] == [
        (event.id.encode(), event.type.encode(), event.body) for event in stored
    ]
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-accel-buffering"] == "no"


async def test_the_head_says_how_far_the_log_reaches(served: Api, client: "redis.asyncio.Redis") -> None:
    """Also of a log of several pages, from the middle of it, with a position of another history, for who has it all."""
    task_id = await served.submit()
    seq = (await served.view(task_id))["last_seq"]
    async with client.pipeline(transaction=False) as pipeline:
        for number in range(seq + 1, seq + 2 * PAGE_MAX + 1):
            body = b'{"v":1,"type":"step.progress","seq":%d,"ts":1,"task_id":"t","data":{}}' % number
            pipeline.xadd(served.services.keys.events(task_id), {"e": body}, id=f"{number}-7")
        await pipeline.execute()
    last = str(seq + 2 * PAGE_MAX)

    for position in ("", f"?after={seq}", f"?after={last}", f"?after={last}-8"):
        async with open_stream(served, f"/stream/{task_id}{position}") as reply:
            assert reply.headers["last-seq"] == last, position


async def test_a_live_stream_delivers_while_the_task_runs(served: Api, worker: Worker) -> None:
    """Events arrive as they happen, with heartbeats between them."""
    task_id = await served.submit()

    async with open_stream(served, f"/stream/{task_id}") as reply:
        chunks = reply.aiter_bytes()
        body = await anext(chunks)
        while b": heartbeat" not in body:
            body += await anext(chunks)
        await worker.finish(task_id, 1, 2, 3)
        async for chunk in chunks:
            body += chunk

    stored = [event.id async for page in served.services.log.pages(task_id) for event in page]
    assert ids(body) == stored


async def test_a_client_resumes_after_any_event(served: Api, worker: Worker) -> None:
    """By header or query, by number or id; the header wins."""
    task_id = await served.submit()
    await worker.finish(task_id, 1, 2, 3)
    stored = [event.id async for page in served.services.log.pages(task_id) for event in page]

    for index, event_id in enumerate(stored[:-1]):
        rest = stored[index + 1 :]
        assert ids(await body_of(served, f"/stream/{task_id}", **{"last-event-id": event_id})) == rest
        assert ids(await body_of(served, f"/stream/{task_id}?after={index + 1}")) == rest
    both = await body_of(served, f"/stream/{task_id}?after=1", **{"last-event-id": stored[4]})
    assert ids(both) == stored[5:]


async def test_a_client_that_has_all_is_told_to_stay_away(served: Api, worker: Worker) -> None:
    """204 ends an EventSource for good."""
    task_id = await served.submit()
    await worker.finish(task_id, 1, 2, 3)
    last = (await served.services.log.last(task_id)).id  # type: ignore[union-attr]

    by_header = await served.http.get(f"/stream/{task_id}", headers={"last-event-id": last})
    by_query = await served.http.get(f"/stream/{task_id}", params={"after": last.partition("-")[0]})

    assert (by_header.status_code, by_query.status_code) == (204, 204)


async def test_a_position_of_a_lost_history_resets(served: Api, worker: Worker) -> None:
    """The client forgets what it has and gets everything; the control frame has no id."""
    task_id = await served.submit()
    await worker.finish(task_id, 1, 2, 3)
    stored = [event async for page in served.services.log.pages(task_id) for event in page]

    other = f"{stored[2].seq}-{(stored[2].rand + 1) % 65536}"
    body = await body_of(served, f"/stream/{task_id}", **{"last-event-id": other})

    assert body.startswith(b"retry: 2000\n\nevent: stream.reset\ndata: {}\n\nid: 1-")
    assert ids(body) == [event.id for event in stored]


async def test_a_malformed_position_is_a_bad_request(served: Api) -> None:
    """A position that no log gives out is refused before the stream opens."""
    task_id = await served.submit()

    reply = await served.http.get(f"/stream/{task_id}", headers={"last-event-id": "abc"})

    assert problem_of(reply, 400)["type"] == "urn:stepstream:problem:bad-cursor"


async def test_a_filter_passes_what_was_asked_for_and_the_end(served: Api, worker: Worker) -> None:
    """Terminal events pass every filter, or a client would wait for ever."""
    task_id = await served.submit()
    await worker.finish(task_id, 1, 2, 3)

    body = await body_of(served, f"/stream/{task_id}?types=step.comp*,task.started")

    types = [orjson.loads(match[3])["type"] for match in FRAME.finditer(body)]
    assert types == ["task.started", *["step.completed"] * 3, "task.completed"]


async def test_clients_that_leave_make_room(served: Api) -> None:
    """The process refuses a viewer too many and forgets those that hung up."""
    task_id = await served.submit()
    counters = served.services.hub.counters

    async with asyncio.timeout(60):
        for _ in range(3):
            async with (
                open_stream(served, f"/stream/{task_id}") as one,
                open_stream(served, f"/stream/{task_id}") as two,
                open_stream(served, f"/stream/{task_id}") as three,
            ):
                chunks = [reply.aiter_bytes() for reply in (one, two, three)]
                begun = [await anext(chunk) for chunk in chunks]
                refused = await served.http.get(f"/stream/{task_id}")
            while counters.viewers:  # noqa: ASYNC110  # the server learns of a hang-up in its own time
                await asyncio.sleep(0.01)

    assert all(chunk.startswith(b"retry: 2000") for chunk in begun)
    problem_of(refused, 503)
    assert int(refused.headers["retry-after"]) >= 1


async def test_without_following_a_stream_ends_at_the_present_end(served: Api, worker: Worker) -> None:
    """Also when the task runs on: what there is, `stream.end`, and nothing more; then 204 until there is news."""
    task_id = await served.submit()
    await worker.finish(task_id, 1)
    stored = [event.id async for page in served.services.log.pages(task_id) for event in page]

    body = await body_of(served, f"/stream/{task_id}?follow=false")
    nothing = await served.http.get(f"/stream/{task_id}?follow=false", headers={"last-event-id": stored[-1]})
    await worker.finish(task_id, 2)
    rest = await body_of(served, f"/stream/{task_id}?follow=false", **{"last-event-id": stored[-1]})

    assert ids(body) == stored
    assert body.endswith(b"event: stream.end\ndata: {}\n\n")
    assert nothing.status_code == 204
    assert ids(body) + ids(rest) == [event.id async for page in served.services.log.pages(task_id) for event in page]


async def test_a_stream_at_the_end_of_a_running_task_opens_at_once(served: Api) -> None:
    """A client that has all there is hears that it is connected before anything else happens."""
    task_id = await served.submit()
    last = (await served.services.log.last(task_id)).id  # type: ignore[union-attr]

    async with open_stream(served, f"/stream/{task_id}", **{"last-event-id": last}) as reply:
        first = await anext(reply.aiter_bytes())

    assert first == b"retry: 2000\n\n"


async def test_lines_of_json_carry_the_events_themselves(served: Api, worker: Worker) -> None:
    """One event per line, blank lines as heartbeats, and what the stream says of itself has no number."""
    task_id = await served.submit()
    lines: list[bytes] = []

    async with open_stream(served, f"/stream/{task_id}", accept="application/x-ndjson") as reply:
        parts = reply.aiter_lines()
        while "" not in lines:
            lines.append(await anext(parts))
        await worker.finish(task_id, 1, 2, 3)
        lines += [line async for line in parts]

    stored = [event.body.decode() async for page in served.services.log.pages(task_id) for event in page]
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [line for line in lines if line] == [*stored, '{"v":1,"type":"stream.end","data":{}}']


async def test_a_head_request_is_answered_without_a_stream(served: Api, worker: Worker) -> None:
    """The same statuses and headers, no body, and no place taken."""
    task_id = await served.submit()

    open_yet = await served.http.head(f"/stream/{task_id}")
    unknown = await served.http.head(f"/stream/{task_id[:-4]}0000")
    await worker.finish(task_id, 1, 2, 3)
    over = await served.http.head(f"/stream/{task_id}", params={"after": (await served.view(task_id))["last_seq"]})

    assert (open_yet.status_code, unknown.status_code, over.status_code) == (200, 404, 204)
    assert open_yet.headers["content-type"].startswith("text/event-stream")
    assert open_yet.headers["x-accel-buffering"] == "no"
    assert open_yet.content == b""
    async with asyncio.timeout(60):
        while served.services.hub.counters.viewers:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.005)


async def test_a_page_of_events_may_be_lines(served: Api, worker: Worker) -> None:
    """The events alone, one per line; a link leads on while there is more."""
    task_id = await served.submit()
    await worker.finish(task_id, 1, 2, 3)
    url: str | None = f"/tasks/{task_id}/events?limit=5"
    bodies: list[bytes] = []

    while url:
        reply = await served.http.get(url, headers={"accept": "application/x-ndjson"})
        assert reply.headers["content-type"] == "application/x-ndjson"
        bodies += reply.content.splitlines()
        url = reply.links["next"]["url"] if "next" in reply.links else None

    assert bodies == [event.body async for page in served.services.log.pages(task_id) for event in page]
