"""The terms of a submission: idempotency key, deadline, earliest start, and the limits of what is taken in."""

from dataclasses import replace

import pytest

from app.dispatch.intake import Idempotency, Intake
from app.dispatch.scripts import ScriptRunner
from app.dispatch.store import TaskStore
from app.errors import BacklogFull, IdempotencyConflict, InvalidRequest
from app.model.task import CancelMode, Moment

from .checks import lasting_keys
from .conftest import LIMITS, LINE, Bench

pytestmark = pytest.mark.anyio

HOUR = Moment(3_600_000, relative=True)


def bounded(bench: Bench, **limits: int) -> TaskStore:
    return TaskStore(ScriptRunner(bench.redis, bench.keys, retry_ms_max=1000), replace(LIMITS, **limits))


async def keyed(bench: Bench, body: str, tenant: str = "default") -> str:
    """A submission under the one key that these tests use."""
    intake = Intake(bench.task(LINE, tenant=tenant), idempotency=Idempotency("abc", body))
    return await bench.tasks.submit(intake, bench.registry)


async def test_a_key_that_comes_again_is_the_same_task(bench: Bench) -> None:
    """One task, whatever its state; another request under the key is a conflict and leaves nothing."""
    task_id = await keyed(bench, "f0")
    before = await lasting_keys(bench)

    assert await keyed(bench, "f0") == task_id
    with pytest.raises(IdempotencyConflict, match=task_id):
        await keyed(bench, "f1")

    assert await lasting_keys(bench) == before
    assert await bench.redis.zcard(bench.keys.open) == 1
    ttl_ms = await bench.redis.pttl(bench.keys.idempotency("default", "abc"))
    assert 0 < ttl_ms <= LIMITS.idempotency_ttl_ms


async def test_keys_of_two_tenants_are_two_keys(bench: Bench) -> None:
    """Nobody is answered with another tenant's task."""
    assert await keyed(bench, "f0") != await keyed(bench, "f0", tenant="other")


async def test_the_key_of_a_deleted_task_still_stands_for_it(bench: Bench) -> None:
    """A repetition that comes late must not run the task a second time."""
    task_id = await keyed(bench, "f0")
    await bench.tasks.cancel(task_id, CancelMode.FORCE, by="x", reason=None)
    await bench.tasks.delete(task_id)

    assert await keyed(bench, "f0") == task_id
    with pytest.raises(IdempotencyConflict):
        await keyed(bench, "f1")


async def test_an_expired_task_ends_with_all_its_steps(bench: Bench) -> None:
    """Running steps are called off, queued ones start nothing; the next deadline is named."""
    gone = await bench.submit(LINE, deadline=Moment(1_000, relative=True))
    await bench.submit(LINE, deadline=HOUR)
    attempt = await bench.start(gone, 1)
    assert 0 <= (attempt.deadline_ms or 0) <= 1_000
    await bench.redis.zadd(bench.keys.deadlines, {gone: 1})

    ended, next_ms = await bench.tasks.expire()

    assert ended == 1
    assert 3_590_000 < (next_ms or 0) <= 3_600_000
    assert await bench.statuses(gone) == ["cancelled", "skipped", "skipped"]
    assert await bench.store.unwanted([attempt]) == [attempt]
    last = (await bench.events(gone))[-1]
    assert (last.type, last.data["reason"]) == ("task.expired", "deadline")
    assert await bench.tasks.expire() == (0, next_ms) or next_ms


async def test_more_than_one_call_expires_a_crowd(bench: Bench) -> None:
    """A call is bounded; it says that there is more to do at once."""
    tasks = [await bench.submit(LINE[:1], deadline=HOUR) for _ in range(25)]
    await bench.redis.zadd(bench.keys.deadlines, dict.fromkeys(tasks, 1))

    assert await bench.tasks.expire() == (20, 0)
    assert await bench.tasks.expire() == (5, None)


async def test_a_deadline_lies_behind_the_start(bench: Bench) -> None:
    """One that has passed, or that comes before the earliest start, is refused and leaves nothing."""
    for terms in (
        {"deadline": Moment(1)},
        {"deadline": HOUR, "not_before": HOUR},
        {"deadline": Moment(0, relative=True)},
    ):
        with pytest.raises(InvalidRequest) as refused:
            await bench.submit(LINE, **terms)
        assert [problem.pointer for problem in refused.value.problems] == ["/deadline"]
    assert await bench.redis.keys(f"{bench.keys.tag}:*") == []


async def test_a_task_starts_no_earlier_than_it_may(bench: Bench) -> None:
    """Its roots lie in the delay queue until then, and the log says when that is."""
    task_id = await bench.submit(LINE, not_before=HOUR)
    assert await bench.messages("retriever") == []
    queued = next(event for event in await bench.events(task_id) if event.type == "step.queued")
    ((_, due),) = await bench.redis.zrange(f"{bench.keys.tag}:due:retriever", 0, -1, withscores=True)
    assert queued.data["not_before_ms"] == due == queued.ts + HOUR.ms

    attempt = await bench.start(task_id, 1)
    await bench.store.complete(attempt, b"{}", "")
    assert len(await bench.messages("analyzer")) == 1


async def test_a_start_in_the_past_is_at_once(bench: Bench) -> None:
    """Nothing is delayed by a time that has passed."""
    task_id = await bench.submit(LINE, not_before=Moment(1))
    assert [ref.task_id for ref in await bench.refs("retriever")] == [task_id]


async def test_times_of_the_year_9999_are_kept_exactly(bench: Bench) -> None:
    """They have 15 digits, more than a script writes by itself."""
    end = Moment(253_402_300_799_999)
    task_id = await bench.submit(LINE, deadline=end, not_before=Moment(end.ms - 1))

    submitted = (await bench.events(task_id))[0]
    assert (submitted.data["deadline_ms"], submitted.data["not_before_ms"]) == (end.ms, end.ms - 1)
    assert (await bench.reader.view(task_id)).deadline_ms == end.ms


async def test_open_tasks_are_limited(bench: Bench) -> None:
    """The limit counts tasks that have not ended; a refusal leaves nothing."""
    store = bounded(bench, open_tasks_max=2)
    tasks = [await bench.submit(LINE) for _ in range(2)]
    refused = Intake(bench.task(LINE, labels={"team": "z"}), idempotency=Idempotency("k", "b"))

    with pytest.raises(BacklogFull, match="2 tasks"):
        await store.submit(refused, bench.registry)

    assert await bench.redis.keys(f"{bench.keys.tag}:*{refused.task.task_id}*") == []
    assert await bench.redis.keys(f"{bench.keys.tag}:idem:*") == []
    await bench.tasks.cancel(tasks[0], CancelMode.FORCE, by="x", reason=None)
    await store.submit(refused, bench.registry)


async def test_a_full_backlog_refuses_new_work_and_no_repetition(bench: Bench) -> None:
    """Whoever sends again what was accepted is answered with it."""
    store = bounded(bench, backlog_max=1)
    intake = Intake(bench.task(LINE), idempotency=Idempotency("k", "b"))
    await store.submit(intake, bench.registry)

    with pytest.raises(BacklogFull, match="1 messages"):
        await store.submit(Intake(bench.task(LINE)), bench.registry)

    again = Intake(bench.task(LINE), idempotency=Idempotency("k", "b"))
    assert await store.submit(again, bench.registry) == intake.task.task_id
