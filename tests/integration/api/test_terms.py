"""Deadlines, delays, limits and idempotency keys: what a submission may ask for besides its work."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis.asyncio

from app.events.log import START
from tests.integration.api.support import LINE, Api, Worker, pointers, problem_of

pytestmark = pytest.mark.anyio

BODY = {"task": "Do it", "plan": LINE}
YEAR_AND_MORE = (datetime.now(UTC) + timedelta(days=400)).isoformat(timespec="seconds")


async def keyed(api: Api, key: str, **changes: Any) -> Any:
    return await api.http.post("/run-task", json=BODY | changes, headers={"idempotency-key": key})


async def followed(api: Api, task_id: str) -> list[str]:
    """The types of all events, once the task has ended."""
    viewer = api.services.hub.watch(task_id, START)
    async with asyncio.timeout(60):
        found = [event.type async for events in viewer for event in events]
    viewer.close()
    return found


async def test_a_duration_counts_from_the_moment_of_acceptance(api: Api) -> None:
    """Deadline and delay are in the first event and the view, by the clock of the server."""
    task_id = await api.submit(deadline="PT10M", not_before="PT5M")

    submitted, _, queued, *_ = await api.events(task_id)
    assert submitted["data"]["deadline_ms"] == submitted["ts"] + 600_000
    assert submitted["data"]["not_before_ms"] == submitted["ts"] + 300_000
    assert queued["data"]["not_before_ms"] == submitted["data"]["not_before_ms"]
    assert (await api.view(task_id))["deadline_ms"] == submitted["data"]["deadline_ms"]


async def test_a_time_is_what_it_says(api: Api) -> None:
    """An offset is taken into account."""
    deadline = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    elsewhere = deadline.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)

    task_id = await api.submit(deadline=elsewhere.isoformat())

    assert (await api.view(task_id))["deadline_ms"] == int(deadline.timestamp() * 1000)


async def test_a_task_ends_at_its_deadline(api: Api) -> None:
    """Nobody works on it, and yet it ends: expired, by the API's own housekeeping."""
    task_id = await api.submit(deadline="PT0.05S")

    last = (await followed(api, task_id))[-1]

    assert last == "task.expired"
    problem_of(await api.http.get(f"/tasks/{task_id}/result"), 409)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"deadline": 30}, ["/deadline"]),
        ({"deadline": "2026-05-01T12:00:00"}, ["/deadline"]),
        ({"deadline": "-PT30S"}, ["/deadline"]),
        ({"deadline": "P1Y"}, ["/deadline"]),
        ({"deadline": "P367D"}, ["/deadline"]),
        ({"deadline": YEAR_AND_MORE}, ["/deadline"]),
        ({"deadline": "9999-12-31T23:59:59Z"}, ["/deadline"]),
        ({"not_before": "tomorrow"}, ["/not_before"]),
        ({"not_before": True}, ["/not_before"]),
        ({"not_before": YEAR_AND_MORE}, ["/not_before"]),
        ({"concurrency": {"key": "team"}}, ["/concurrency/limit"]),
        ({"concurrency": {"key": "team", "limit": 0}, "labels": {"team": "a"}}, ["/concurrency/limit"]),
        ({"concurrency": {"key": "team", "limit": "2"}, "labels": {"team": "a"}}, ["/concurrency/limit"]),
        ({"concurrency": {"key": "team", "limit": 2}}, ["/concurrency/key"]),
        ({"concurrency": {"key": "", "limit": 2}}, ["/concurrency/key"]),
        ({"concurrency": 2}, ["/concurrency"]),
        ({"concurrency": {"key": "team", "limit": 2, "per": "s"}, "labels": {"team": "a"}}, ["/concurrency/per"]),
    ],
)
@pytest.mark.parametrize("path", ["/run-task", "/plan"])
async def test_terms_without_a_single_meaning_are_refused(
    api: Api, path: str, terms: dict[str, Any], expected: list[str]
) -> None:
    """422 points at the term and says how to write it; planning knows the same rules."""
    problem = problem_of(await api.http.post(path, json=BODY | terms), 422)

    assert pointers(problem) == expected
    assert all(" " in error["detail"] for error in problem["errors"])


@pytest.mark.parametrize(
    "terms",
    [
        {"deadline": "PT0S"},
        {"deadline": "2020-01-01T00:00:00Z"},
        {"deadline": "0001-01-01T00:00:00+14:00"},
        {"deadline": "PT5S", "not_before": "PT10S"},
    ],
)
async def test_a_deadline_before_the_start_is_refused(
    api: Api, client: "redis.asyncio.Redis", terms: dict[str, str]
) -> None:
    """What could only expire is not taken."""
    problem = problem_of(await api.http.post("/run-task", json=BODY | terms), 422)

    assert pointers(problem) == ["/deadline"]
    assert await client.zcard(api.services.keys.open) == 0


async def test_a_start_in_the_past_is_now(api: Api, worker: Worker) -> None:
    """A client whose clock is slow is not punished for it."""
    task_id = await api.submit(not_before="2020-01-01T00:00:00Z")

    await worker.finish(task_id, 1, 2, 3)

    assert (await api.view(task_id))["status"] == "completed"


async def test_a_concurrency_limit_holds_between_tasks(api: Api, worker: Worker) -> None:
    """The second task of the group waits in line until the first one has nothing under way."""
    terms = {"labels": {"team": "a"}, "concurrency": {"key": "team", "limit": 1}}
    one_step = [{"step_id": 1, "agent": "retriever", "payload": "x"}]
    first = await api.submit(one_step, **terms)
    second = await api.submit(one_step, **terms)

    before = (await api.view(second))["steps"][0]["status"]
    await worker.finish(first, 1)

    assert before == "limited"
    assert (await api.view(second))["steps"][0]["status"] == "queued"


async def test_a_repetition_is_answered_with_the_same_task(api: Api, worker: Worker) -> None:
    """202 again, marked as a repetition, with the plan and the present state of the task."""
    first = await keyed(api, "order 66")
    task_id = first.json()["task_id"]
    await worker.finish(task_id, 1)
    again = await keyed(api, "order 66")
    await worker.finish(task_id, 2, 3)
    late = await keyed(api, "order 66")

    assert "idempotency-replayed" not in first.headers
    for reply, status in ((again, "running"), (late, "completed")):
        assert (reply.status_code, reply.headers["idempotency-replayed"]) == (202, "true")
        assert reply.headers["location"] == first.headers["location"]
        assert reply.json() == first.json() | {"status": status}
    figures = (await api.http.get("/metrics")).text
    assert 'stepstream_submissions_total{outcome="accepted"} 1.0' in figures
    assert 'stepstream_submissions_total{outcome="replayed"} 2.0' in figures


async def test_a_deadline_that_has_passed_is_no_fault_in_a_repetition(api: Api, client: "redis.asyncio.Redis") -> None:
    """The answer may have been lost for longer than the task was given."""
    deadline = (datetime.now(UTC) + timedelta(milliseconds=300)).isoformat(timespec="milliseconds")
    first = await keyed(api, "k", deadline=deadline)
    await followed(api, first.json()["task_id"])

    again = await keyed(api, "k", deadline=deadline)

    assert (again.status_code, again.json()["status"]) == (202, "expired")


@pytest.mark.parametrize(
    "change",
    [
        {"task": "Do something else"},
        {"plan": LINE[:2]},
        {"priority": 4},
        {"labels": {"a": "b"}},
        {"deadline": "PT1H"},
        {"not_before": "PT1H"},
        {"inputs": {"documents": [{"name": "a", "text": "b"}]}},
        {"inputs": {"urls": ["http://a.example/"]}},
        {"labels": {"a": "b"}, "concurrency": {"key": "a", "limit": 1}},
    ],
)
async def test_a_key_belongs_to_one_request(api: Api, client: "redis.asyncio.Redis", change: dict[str, Any]) -> None:
    """Another body under the same key is 422 and changes nothing."""
    await keyed(api, "k")

    problem = problem_of(await keyed(api, "k", **change), 422)

    assert problem["type"] == "urn:stepstream:problem:idempotency-conflict"
    assert await client.zcard(api.services.keys.open) == 1


async def test_the_order_of_members_and_defaults_make_no_other_request(api: Api) -> None:
    """What means the same is the same."""
    first = await keyed(api, "k", labels={"a": "1", "b": "2"}, priority=5, deadline=None)

    reply = await api.http.post(
        "/run-task",
        json={"labels": {"b": "2", "a": "1"}, "plan": LINE, "task": "Do it"},
        headers={"idempotency-key": "k"},
    )

    assert (reply.status_code, reply.json()["task_id"]) == (202, first.json()["task_id"])


async def test_thirty_at_once_make_one_task(api: Api, client: "redis.asyncio.Redis") -> None:
    """Whoever comes first, all are told the same task."""
    replies = await asyncio.gather(*[keyed(api, "k") for _ in range(30)])

    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.json()["task_id"] for reply in replies}) == 1
    assert sum("idempotency-replayed" not in reply.headers for reply in replies) == 1
    assert await client.zcard(api.services.keys.open) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "schl\xfcssel", "a\tb"])
async def test_a_key_is_short_and_printable(api: Api, key: str) -> None:
    """Anything else is refused by the name of the header."""
    reply = await api.http.post("/run-task", json=BODY, headers=[(b"idempotency-key", key.encode("latin-1"))])

    assert pointers(problem_of(reply, 422)) == ["idempotency-key"]


async def test_the_longest_key_is_taken(api: Api) -> None:
    """255 characters, blanks and all other printable ones included."""
    assert (await keyed(api, "".join(map(chr, range(33, 127))) + " " + "x" * 160)).status_code == 202


async def test_a_key_outlives_its_deleted_task(api: Api, worker: Worker, client: "redis.asyncio.Redis") -> None:
    """410: a request that comes late is not run a second time."""
    task_id = (await keyed(api, "k")).json()["task_id"]
    await worker.finish(task_id, 1, 2, 3)
    await api.http.delete(f"/tasks/{task_id}")

    problem = problem_of(await keyed(api, "k"), 410)

    assert task_id in problem["detail"]
    assert await client.zcard(api.services.keys.open) == 0
