"""Several tasks in one stream: each event once, in order, and one position for all."""

import re
from collections.abc import AsyncIterator

import orjson
import pytest

from tests.integration.api.support import Api, Worker, problem_of, serving
from tests.integration.api.test_stream_route import body_of, open_stream

pytestmark = pytest.mark.anyio

FRAME = re.compile(rb"(?:id: (\S+)\n)?event: (\S+)\ndata: ({.*})\n\n")


@pytest.fixture
async def wide(redis_url: str, namespace: str) -> AsyncIterator[Api]:
    """A server with room for a few tasks."""
    async with serving(redis_url=redis_url, namespace=namespace, heartbeat_s=0.05, viewers_max=8) as api:
        yield api


def path_of(*task_ids: str, **more: str) -> str:
    return "/stream?" + "&".join([f"task_id={task_id}" for task_id in task_ids] + [f"{k}={v}" for k, v in more.items()])


def numbers(body: bytes) -> dict[str, list[int]]:
    """Which events came of each task, in the order in which they came."""
    found: dict[str, list[int]] = {}
    for _, kind, data in FRAME.findall(body):
        event = orjson.loads(data)
        if kind == b"stream.reset":
            found[event["task_id"]] = []
        elif not kind.startswith(b"stream."):
            found.setdefault(event["task_id"], []).append(event["seq"])
    return found


async def stored(api: Api, *task_ids: str) -> dict[str, list[int]]:
    return {task_id: [event["seq"] for event in await api.events(task_id)] for task_id in task_ids}


async def test_the_events_of_all_come_until_all_have_ended(wide: Api, worker: Worker) -> None:
    """History and what happens meanwhile, of each task without a gap; the end comes with the last task's end."""
    one, two, three = [await wide.submit() for _ in range(3)]
    await worker.finish(one, 1, 2, 3)

    async with open_stream(wide, path_of(one, two, three)) as reply:
        chunks = reply.aiter_bytes()
        body = await anext(chunks)
        for step_id in (1, 2, 3):
            await worker.finish(three, step_id)
            await worker.finish(two, step_id)
        body += b"".join([chunk async for chunk in chunks])

    assert numbers(body) == await stored(wide, one, two, three)
    assert body.endswith(b"event: stream.end\ndata: {}\n\n")
    assert wide.services.hub.counters.viewers == 0


async def test_a_client_comes_back_to_where_it_was_with_each_task(wide: Api, worker: Worker) -> None:
    """A drop behind any event: what came before and what comes after are the logs, in whatever order they are named."""
    one, two = [await wide.submit() for _ in range(2)]
    await worker.finish(one, 1, 2, 3)
    await worker.finish(two, 1)
    whole = await body_of(wide, path_of(one, two, follow="false"))
    frames = [match.group(0) for match in FRAME.finditer(whole) if match[1]]
    assert numbers(whole) == await stored(wide, one, two)

    for index in range(1, len(frames)):
        position = FRAME.match(frames[index - 1])[1].decode()  # type: ignore[index]
        by_header = await body_of(wide, path_of(two, one, follow="false"), **{"last-event-id": position})
        by_query = await body_of(wide, path_of(one, two, follow="false", after=position))
        before = numbers(b"".join(frames[:index]))
        for rest in (numbers(by_header), numbers(by_query)):
            assert {t: before.get(t, []) + rest.get(t, []) for t in (one, two)} == await stored(wide, one, two)


async def test_who_has_all_is_told_so(wide: Api, worker: Worker) -> None:
    """204 once every task has ended and the position is at the end of all; not as long as one of them runs."""
    one, two = [await wide.submit() for _ in range(2)]
    await worker.finish(one, 1, 2, 3)
    running = (await body_of(wide, path_of(one, two, follow="false"))).splitlines()
    position = [line for line in running if line.startswith(b"id: ")][-1].removeprefix(b"id: ").decode()

    nothing_new = await wide.http.get(path_of(one, two, follow="false", after=position))
    async with open_stream(wide, path_of(one, two), **{"last-event-id": position}) as reply:
        chunks = reply.aiter_bytes()
        opening = await anext(chunks)
        await worker.finish(two, 1, 2, 3)
        rest = b"".join([chunk async for chunk in chunks])
    position = [line for line in rest.splitlines() if line.startswith(b"id: ")][-1].removeprefix(b"id: ").decode()

    assert nothing_new.status_code == 204
    assert opening == b"retry: 2000\n\n"
    assert (await wide.http.get(path_of(two, one), headers={"last-event-id": position})).status_code == 204


async def test_tasks_come_and_go_between_two_streams(wide: Api) -> None:
    """A task that the position does not name is read from the start, one that is no longer asked for is forgotten."""
    one, two, three = [await wide.submit() for _ in range(3)]
    first = await body_of(wide, path_of(one, two, follow="false"))
    position = [line for line in first.splitlines() if line.startswith(b"id: ")][-1].removeprefix(b"id: ").decode()

    second = await body_of(wide, path_of(two, three, follow="false", after=position))

    assert numbers(second) == await stored(wide, three)


async def test_a_task_whose_log_was_rolled_back_is_sent_again_alone(wide: Api) -> None:
    """The reset names the task; the others go on."""
    one, two = [await wide.submit() for _ in range(2)]
    whole = await body_of(wide, path_of(one, two, follow="false"))
    position = [line for line in whole.splitlines() if line.startswith(b"id: ")][-1].removeprefix(b"id: ").decode()
    seq = int(position.rpartition(":")[2].partition("-")[0])

    body = await body_of(wide, path_of(one, two, follow="false", after=f"{position}.{two}:{seq + 5}"))

    resets = [orjson.loads(data) for _, kind, data in FRAME.findall(body) if kind == b"stream.reset"]
    assert resets == [{"task_id": two}]
    assert numbers(body) == await stored(wide, two)


async def test_lines_of_several_tasks_say_whose_they_are(wide: Api) -> None:
    """As lines of JSON too; the position is made of what the events say."""
    one, two = [await wide.submit() for _ in range(2)]
    reply = await wide.http.get(path_of(one, two, follow="false"), headers={"accept": "application/x-ndjson"})
    events = [orjson.loads(line) for line in reply.content.splitlines()]

    seen = {event["task_id"]: event["seq"] for event in events[:3]}
    position = ".".join(f"{task_id}:{seq}" for task_id, seq in seen.items())
    rest = await wide.http.get(path_of(one, two, follow="false", after=position), headers=reply.request.headers)

    assert events[-1] == {"v": 1, "type": "stream.end", "data": {}}
    assert [orjson.loads(line) for line in rest.content.splitlines()] == events[3:]


async def test_what_cannot_be_streamed_is_refused_before_the_stream_opens(wide: Api) -> None:
    """One unknown task among known ones, no task, too many, a position that makes no sense, and too little room."""
    task_id = await wide.submit()
    unknown = f"{task_id[:-4]}0000"

    problem_of(await wide.http.get(path_of(task_id, unknown)), 404)
    problem_of(await wide.http.get(path_of(task_id, "x")), 404)
    problem_of(await wide.http.get("/stream"), 422)
    problem_of(await wide.http.get(path_of(*[unknown] * 101)), 422)
    for position in ("5", "5-1", "abc", ":5", f"{task_id}:", f"{task_id}:x", f"{task_id}:5..", "a" * 20_000):
        problem_of(await wide.http.get(path_of(task_id, after=position, follow="false")), 400)
    tasks = [await wide.submit() for _ in range(9)]
    problem_of(await wide.http.get(path_of(*tasks)), 503)
    assert wide.services.hub.counters.viewers == 0
