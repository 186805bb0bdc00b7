"""How a submission is answered when the client would like more than a 202."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import orjson
import pytest

from tests.integration.api.support import LINE, Api, Worker, problem_of

pytestmark = pytest.mark.anyio

BODY = {"task": "Do it", "plan": LINE}
STREAM = {"accept": "text/event-stream"}


async def until(true: Callable[[], object]) -> None:
    """The server does it in its own time."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  # it has no event for the test
            await asyncio.sleep(0.005)


@asynccontextmanager
async def submitting(api: Api, **headers: str) -> AsyncIterator["asyncio.Task[httpx2.Response]"]:
    """A submission under way, which waits by now."""
    before = api.services.hub.counters.viewers
    sending = asyncio.create_task(api.http.post("/run-task", json=BODY, headers=headers))
    await until(lambda: api.services.hub.counters.viewers > before)
    yield sending
    sending.cancel()


async def only_task(api: Api) -> str:
    (task,) = (await api.http.get("/tasks")).json()["tasks"]
    return str(task["task_id"])


async def test_who_waits_gets_the_finished_task(served: Api, worker: Worker) -> None:
    """200 with the view and the outputs, as soon as the task has ended."""
    async with submitting(served, prefer="respond-async, wait=30") as sending:
        task_id = await only_task(served)
        await worker.finish(task_id, 1, 2)
        await worker.finish(task_id, 3, text="# Done")
        reply = await sending

    body = reply.json()
    assert (reply.status_code, reply.headers["preference-applied"]) == (200, "wait=30")
    assert reply.headers["location"] == body["links"]["self"] == f"/tasks/{task_id}"
    assert body["outputs"] == (await served.http.get(f"/tasks/{task_id}/result")).json()["outputs"]
    assert body["outputs"][0]["text"] == "# Done"
    assert {**body, "outputs": None, "links": None} == {**await served.view(task_id), "outputs": None, "links": None}


async def test_who_waits_learns_of_a_failure_too(served: Api, worker: Worker) -> None:
    """A task that failed has ended as well: 200, its status says how, and there are no outputs."""
    async with submitting(served, prefer="wait=60") as sending:
        await worker.fail(await only_task(served), 1)
        reply = await sending

    assert (reply.status_code, reply.json()["status"], reply.json()["outputs"]) == (200, "failed", [])
    assert reply.json()["error"]["message"] == "no good"


async def test_a_wait_that_is_over_ends_with_the_usual_answer(served: Api, worker: Worker) -> None:
    """202 with the status that the task has by then."""
    async with submitting(served, prefer="wait=1") as sending:
        await worker.start(await only_task(served), 1)
        reply = await sending

    assert (reply.status_code, reply.json()["status"]) == (202, "running")
    assert reply.headers["preference-applied"] == "wait=1"
    assert served.services.hub.counters.viewers == 0


async def test_a_task_that_is_deleted_meanwhile_is_gone(served: Api) -> None:
    """410, and not the 404 of something that never was: it was accepted."""
    async with submitting(served, prefer="wait=1") as sending:
        task_id = await only_task(served)
        await served.services.redis.delete(served.services.keys.task(task_id))
        reply = await sending

    assert task_id in problem_of(reply, 410)["detail"]


async def test_no_time_and_nonsense_are_no_wait(api: Api) -> None:
    """The answer comes at once; only a number was applied."""
    for prefer in ("wait=0", "wait", "wait=soon", "wait=-1", "wait=1.5", "respond-async", ", ,", ""):
        reply = await api.http.post("/run-task", json=BODY, headers={"prefer": prefer})

        assert reply.status_code == 202
        assert reply.headers.get("preference-applied") == ("wait=0" if prefer == "wait=0" else None)


async def test_a_repeated_request_waits_for_the_same_task(served: Api, worker: Worker) -> None:
    """Whoever lost the answer asks again with the key; a task that has ended is there at once, also with no time."""
    async with submitting(served, **{"prefer": "wait=30", "idempotency-key": "k"}) as first:
        task_id = await only_task(served)
        async with submitting(served, **{"prefer": "wait=30", "idempotency-key": "k"}) as second:
            await worker.finish(task_id, 1, 2, 3)
            replies = [await first, await second]
    again = await served.http.post("/run-task", json=BODY, headers={"prefer": "wait=0", "idempotency-key": "k"})

    assert [reply.status_code for reply in (*replies, again)] == [200, 200, 200]
    assert {reply.json()["task_id"] for reply in (*replies, again)} == {task_id}
    assert [reply.headers.get("idempotency-replayed") for reply in (*replies, again)] == [None, "true", "true"]


async def test_a_client_that_hangs_up_waits_no_more(served: Api, worker: Worker) -> None:
    """Its place is free again, and the task runs on."""
    async with submitting(served, prefer="wait=60") as sending:
        sending.cancel()
        await until(lambda: served.services.hub.counters.viewers == 0)

    task_id = await only_task(served)
    await worker.finish(task_id, 1, 2, 3)
    assert (await served.view(task_id))["status"] == "completed"


async def test_there_is_room_for_so_many_who_wait(served: Api) -> None:
    """One too many gets the usual answer at once: its task is accepted all the same."""
    async with submitting(served, prefer="wait=60"), submitting(served, prefer="wait=60"):
        reply = await served.http.post("/run-task", json=BODY, headers={"prefer": "wait=60"})

    assert reply.status_code == 202
    assert "preference-applied" not in reply.headers


async def test_a_submission_may_be_answered_by_its_events(served: Api, worker: Worker) -> None:
    """The stream of `links.stream` from its first event, and the headers say whose it is."""
    async with asyncio.timeout(60), served.http.stream("POST", "/run-task", json=BODY, headers=STREAM) as reply:
        task_id = reply.headers["task-id"]
        chunks = reply.aiter_bytes()
        body = await anext(chunks)
        await worker.finish(task_id, 1, 2, 3)
        async for chunk in chunks:
            body += chunk
    replay = await served.http.get(f"/stream/{task_id}")

    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["location"] == f"/tasks/{task_id}"
    frames = re.findall(rb"id: .*\n.*\n.*\n\n", body)
    assert frames == re.findall(rb"id: .*\n.*\n.*\n\n", replay.content)
    assert len(frames) > 10
    assert body.endswith(b"event: stream.end\ndata: {}\n\n")


async def test_a_repeated_request_streams_the_same_task(served: Api, worker: Worker) -> None:
    """With the key the stream is had again from its first event, also when the task has ended."""
    headers = STREAM | {"idempotency-key": "k"}
    accepted = await served.http.post("/run-task", json=BODY, headers={"idempotency-key": "k"})
    await worker.finish(accepted.json()["task_id"], 1, 2, 3)

    reply = await served.http.post("/run-task", json=BODY, headers=headers)

    assert reply.headers["task-id"] == accepted.json()["task_id"]
    assert reply.headers["idempotency-replayed"] == "true"
    assert b"event: task.submitted" in reply.content
    assert b"event: task.completed" in reply.content


async def test_a_process_without_room_for_streams_accepts_all_the_same(served: Api) -> None:
    """What was accepted is not refused: the client gets the usual answer and may open the stream elsewhere."""
    streams = [served.http.stream("POST", "/run-task", json=BODY, headers=STREAM) for _ in range(3)]
    async with streams[0], streams[1], streams[2]:
        reply = await served.http.post("/run-task", json=BODY, headers=STREAM)

    assert reply.status_code == 202
    assert reply.headers["content-type"] == "application/json"


async def test_json_is_what_everybody_else_gets(api: Api) -> None:
    """Only those who rank a stream above JSON get one; nobody is refused for what they accept."""
    for accept in ("*/*", "application/json, text/event-stream", "text/event-stream;q=0.5, */*", "image/png", "?"):
        reply = await api.http.post("/run-task", json=BODY, headers={"accept": accept})

        assert (reply.status_code, reply.headers["content-type"]) == (202, "application/json")


async def test_a_submission_may_be_answered_by_lines_of_json(served: Api, worker: Worker) -> None:
    """The same events, each as it is stored."""
    headers = {"accept": "application/x-ndjson, application/json;q=0.5", "idempotency-key": "k"}
    accepted = await served.http.post("/run-task", json=BODY, headers={"idempotency-key": "k"})
    await worker.finish(accepted.json()["task_id"], 1, 2, 3)

    reply = await served.http.post("/run-task", json=BODY, headers=headers)

    assert reply.headers["content-type"].startswith("application/x-ndjson")
    types = [orjson.loads(line)["type"] for line in reply.content.splitlines() if line]
    assert (types[0], types.index("task.completed") > 10) == ("task.submitted", True)
