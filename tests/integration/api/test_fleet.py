"""Workers, queues and dead letters over HTTP."""

import itertools
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import redis.asyncio
from dramatiq.message import Message

from app.broker.keys import QueueKeys, ShardKeys
from app.keys import Keys
from app.model.task import new_task_id
from tests.integration.api.support import Api, Worker, problem_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def writer_queue(namespace: str) -> QueueKeys:
    return ShardKeys(Keys(namespace).tag).queue("writer")


async def letters(api: Api, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.http.get("/dead-letters", params=query)).json()["letters"]
    return found


async def bury(client: "redis.asyncio.Redis", queue: QueueKeys, letter_id: str, died_ms: int, body: bytes) -> None:
    """A dead letter as the broker writes it."""
    meta = {"reason": "failed", "error": "RuntimeError: boom", "level": 0, "deliveries": 2, "died_at": died_ms,
            "history": [{"worker": "w", "delivery": 1, "at": 5}]}  # fmt: skip
    await client.zadd(queue.dlq, {letter_id: died_ms})
    await client.hset(queue.dlq_bodies, letter_id, body)
    await client.hset(queue.dlq_meta, letter_id, orjson.dumps(meta))


def message(*args: Any) -> "Message[Any]":
    return Message("writer", "writer", args, {}, {"retries": 3, "other": 1}, message_id="m1", message_timestamp=1)


async def test_queues_are_told_with_what_they_hold(api: Api, worker: Worker) -> None:
    """Every agent's queue is there, used or not; waiting is told by level."""
    await api.submit(priority=0)
    await api.submit()
    await worker.fail(await api.submit(), 1)

    found = {queue["name"]: queue for queue in (await api.http.get("/queues")).json()}

    assert set(found) >= {"retriever", "analyzer", "writer"}
    retriever = found["retriever"]
    # The message of the failed step lies there too until a worker has seen that nothing is left of it.
    assert (retriever["waiting"], retriever["waiting_by_level"]) == (3, {"high": 1, "normal": 2, "low": 0})
    assert (retriever["dead"], retriever["paused"], retriever["consumers"]) == (1, False, 0)
    assert (found["writer"]["waiting"], found["writer"]["oldest_age_ms"]) == (0, 0)


async def test_a_queue_is_paused_and_resumed(api: Api) -> None:
    """Both may be repeated, and answer with the queue as it is then."""
    replies = [await api.http.post(f"/queues/writer/{verb}") for verb in ("pause", "pause", "resume", "resume")]

    assert [reply.status_code for reply in replies] == [200] * 4
    assert [reply.json()["paused"] for reply in replies] == [True, True, False, False]


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_a_queue_that_nobody_has_is_not_paused(api: Api, verb: str) -> None:
    """A mistake in a name is told, rather than remembered."""
    reply = await api.http.post(f"/queues/writter/{verb}")

    assert problem_of(reply, 404)["type"] == "urn:stepstream:problem:queue-not-found"
    assert "writter" not in {queue["name"] for queue in (await api.http.get("/queues")).json()}


async def test_workers_are_listed(api: Api, client: "redis.asyncio.Redis", namespace: str) -> None:
    """As they reported themselves; one that fell silent is not alive, and of its readers nobody is left."""
    keys = ShardKeys(Keys(namespace).tag)
    attempt = {"task_id": "t", "step_id": 1, "agent": "writer", "attempt": 2, "running_ms": 40}
    fields = {"host": "h", "pid": 7, "threads": 4, "queues": "retriever,writer", "in_flight": 1, "started_at": 5,
              "version": "9", "running": orjson.dumps([attempt])}  # fmt: skip
    seconds, _ = await client.time()
    await client.zadd(keys.workers, {"h:7:aa": int(seconds) * 1000, "gone:8:bb": 1000})
    await client.hset(keys.worker("h:7:aa"), mapping=fields)

    alive, silent = (await api.http.get("/workers")).json()
    queues = {queue["name"]: queue["consumers"] for queue in (await api.http.get("/queues")).json()}

    assert {name: alive[name] for name in ("worker_id", "alive", "host", "pid", "threads", "in_flight", "version")} == {
        "worker_id": "h:7:aa", "alive": True, "host": "h", "pid": 7, "threads": 4, "in_flight": 1, "version": "9",
    }  # fmt: skip
    assert alive["running"] == [attempt | {"running_ms": 40 + alive["silent_ms"]}]
    assert (silent["worker_id"], silent["alive"], silent["running"]) == ("gone:8:bb", False, [])
    assert (queues["writer"], queues["analyzer"]) == (1, 0)


async def test_a_failed_step_is_a_dead_letter(api: Api, worker: Worker) -> None:
    """The list says what died, of what, and whose it was; one of them says more."""
    task_id = await api.submit()
    await worker.finish(task_id, 1)
    await worker.fail(task_id, 2)

    (letter,) = await letters(api)
    detail = (await api.http.get(f"/dead-letters/{letter['id']}")).json()

    assert letter["error"] == {"type": "ValueError", "code": "permanent", "message": "no good"}
    assert (letter["queue"], letter["agent"], letter["reason"]) == ("analyzer", "analyzer", "step failed")
    assert (letter["task_id"], letter["step_ids"], letter["deliveries"]) == (task_id, [2], 1)
    assert {name: detail[name] for name in letter} == letter
    assert (detail["level"], detail["history"]) == ("normal", [])
    assert orjson.loads(detail["body"])["args"] == [task_id, "2:1"]
    assert detail["body_bytes"] == len(detail["body"])


async def test_dead_letters_are_paged_over_all_queues(api: Api, worker: Worker) -> None:
    """The newest first; pages joined by `next` are the list; a queue may be asked for alone."""
    for step_id in (1, 2, 1, 3, 2):
        task_id = await api.submit()
        await worker.finish(task_id, *range(1, step_id))
        await worker.fail(task_id, step_id)

    pages, cursor = [], None
    for _ in itertools.count():
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.http.get("/dead-letters", params=query)).json()
        pages.append(page["letters"])
        if (cursor := page["next"]) is None:
            break

    assert [len(page) for page in pages] == [2, 2, 1]
    joined = [letter for page in pages for letter in page]
    assert joined == await letters(api)
    assert [letter["died_ms"] for letter in joined] == sorted((letter["died_ms"] for letter in joined), reverse=True)
    assert [letter["step_ids"] for letter in await letters(api, queue="analyzer")] == [[2], [2]]


async def test_a_cursor_that_no_page_gave_out_is_refused(api: Api) -> None:
    """400, whatever it is."""
    for cursor in ("x", "%", "é", "MTIz", "LTE6YTpi", "OTk5OTk5OTk5OTk5OTk5OTk5OTk6YTpi", "a" * 3000):
        reply = await api.http.get("/dead-letters", params={"cursor": cursor})

        assert problem_of(reply, 400)["type"] == "urn:stepstream:problem:bad-cursor"


async def test_the_letter_of_a_failed_step_retries_its_task(api: Api, worker: Worker) -> None:
    """202: the step is sent again, with a new message; what had succeeded is kept and the letter is gone."""
    task_id = await api.submit()
    await worker.finish(task_id, 1)
    await worker.fail(task_id, 2)
    (letter,) = await letters(api)

    reply = await api.http.post(f"/dead-letters/{letter['id']}/requeue")

    assert (reply.status_code, reply.headers["location"]) == (202, f"/tasks/{task_id}")
    assert reply.json() == {"id": letter["id"], "requeued": "step", "task_id": task_id}
    view = await api.view(task_id)
    assert (view["status"], [step["status"] for step in view["steps"]]) == (
        "running", ["completed", "queued", "waiting"],
    )  # fmt: skip
    assert await letters(api) == []
    problem_of(await api.http.post(f"/dead-letters/{letter['id']}/requeue"), 404)
    await worker.finish(task_id, 2, 3)
    assert (await api.view(task_id))["status"] == "completed"


async def test_a_letter_whose_task_went_on_without_it_is_not_requeued(api: Api, worker: Worker) -> None:
    """409 with the reason, and the letter stays: the task completed in part, or it still runs."""
    continues = [{"step_id": 1, "agent": "retriever", "payload": "a", "on_failure": "continue", "depends_on": []},
                 {"step_id": 2, "agent": "writer", "payload": "b", "depends_on": [1]}]  # fmt: skip
    task_id = await api.submit(continues)
    await worker.fail(task_id, 1)
    (letter,) = await letters(api)

    running = await api.http.post(f"/dead-letters/{letter['id']}/requeue")
    await worker.finish(task_id, 2)
    completed = await api.http.post(f"/dead-letters/{letter['id']}/requeue")

    assert "running" in problem_of(running, 409)["detail"]
    assert "completed" in problem_of(completed, 409)["detail"]
    assert await letters(api) == [letter]


async def test_a_letter_goes_with_its_task(api: Api, worker: Worker) -> None:
    """Nothing of a deleted task is left to operators either, and there is nothing to be requeued."""
    task_id = await api.submit()
    await worker.fail(task_id, 1)
    (letter,) = await letters(api)

    await api.http.delete(f"/tasks/{task_id}")

    assert await letters(api) == []
    for method, suffix in (("POST", "/requeue"), ("GET", ""), ("DELETE", "")):
        reply = await api.http.request(method, f"/dead-letters/{letter['id']}{suffix}")
        assert problem_of(reply, 404)["type"] == "urn:stepstream:problem:letter-not-found"


async def test_any_other_message_goes_back_into_its_queue(
    api: Api, client: "redis.asyncio.Redis", writer_queue: QueueKeys
) -> None:
    """At its level and without its retries: also a message of steps, when it is not they that failed."""
    task_id = new_task_id(1_700_000_000_000, 7)
    await bury(client, writer_queue, "m1", 9, message(task_id, "1:1 4:2").encode())

    (letter,) = await letters(api)
    detail = (await api.http.get("/dead-letters/writer:m1")).json()
    reply = await api.http.post("/dead-letters/writer:m1/requeue")

    assert (letter["task_id"], letter["step_ids"]) == (task_id, [1, 4])
    assert letter["error"] == {"type": None, "code": None, "message": "RuntimeError: boom"}
    assert (detail["level"], detail["history"]) == ("high", [{"worker": "w", "delivery": 1, "at": 5}])
    assert (reply.status_code, reply.json()["requeued"], "location" in reply.headers) == (202, "message", False)
    ((_, fields),) = await client.xrange(writer_queue.streams[0])
    assert orjson.loads(fields[b"m"])["options"] == {"other": 1}
    assert await letters(api) == []


async def test_ids_of_other_programs_are_handled(
    api: Api, client: "redis.asyncio.Redis", writer_queue: QueueKeys
) -> None:
    """Whatever a message is called and whatever is in it, its letter is shown and can be thrown away."""
    for letter_id in ("a/b", "requeue", "x/requeue", "1|1-0", "ü:?&#%", "..", " "):
        await bury(client, writer_queue, letter_id, 9, b"\xff" * 10_000)

        (letter,) = await letters(api)
        path = f"/dead-letters/{quote(letter['id'], safe='')}"
        detail = await api.http.get(path)
        deleted = await api.http.delete(path)

        assert (letter["agent"], letter["task_id"], letter["step_ids"]) == (None, None, [])
        assert (detail.json()["body_bytes"], len(detail.json()["body"])) == (10_000, 4096)
        assert deleted.status_code == 204
        assert await letters(api) == []


async def test_a_letter_that_is_not_there_is_404(api: Api) -> None:
    """Unknown, malformed or gone."""
    ids = ("nonsense", "writer:", "writer:none", ":", "nobody:m1", "%FF:%FF", "a" * 5000)
    for letter_id, (method, suffix) in itertools.product(ids, [("GET", ""), ("DELETE", ""), ("POST", "/requeue")]):
        reply = await api.http.request(method, f"/dead-letters/{letter_id}{suffix}")

        assert problem_of(reply, 404)["type"] == "urn:stepstream:problem:letter-not-found"


async def test_letters_of_an_unknown_queue_are_404(api: Api) -> None:
    """Rather than an empty list, which would be taken for good news."""
    assert problem_of(await api.http.get("/dead-letters?queue=writter"), 404)["type"].endswith("queue-not-found")
    assert await letters(api, queue="writer") == []


async def test_a_page_has_bounds(api: Api) -> None:
    """No page without an end."""
    for limit in ("0", "101", "x"):
        problem_of(await api.http.get("/dead-letters", params={"limit": limit}), 422)
