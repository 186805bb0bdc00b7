"""Concurrency groups: never more under way than the limit, an orderly line, and no place that gets lost."""

import random
from typing import Any

import pytest

from app.model.events import ErrorInfo
from app.model.task import CancelMode, Concurrency, Moment

from .conftest import DIAMOND, Bench

pytestmark = pytest.mark.anyio

ROOT = [{"step_id": 1, "agent": "retriever", "payload": "x"}]
ERROR = ErrorInfo(type="E", code="c", message="m")
UNDER_WAY = {"queued", "running"}


def roots(count: int) -> list[dict[str, Any]]:
    return [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in range(1, count + 1)]


def group(limit: int, **more: Any) -> dict[str, Any]:
    return {"labels": {"team": "a"}, "concurrency": Concurrency("team", limit), **more}


async def under_way(bench: Bench, *task_ids: str) -> int:
    return sum([status in UNDER_WAY for task_id in task_ids for status in await bench.statuses(task_id)])


async def test_steps_above_the_limit_stand_in_line_and_are_let_in(bench: Bench) -> None:
    """Two of four are sent; each that ends makes room for the next, and the log says who was held."""
    task_id = await bench.submit(roots(4), **group(2))
    assert await bench.statuses(task_id) == ["queued", "queued", "limited", "limited"]

    await bench.finish(task_id, 1)

    assert await bench.statuses(task_id) == ["completed", "queued", "queued", "limited"]
    held = [event for event in await bench.events(task_id) if event.type == "step.held"]
    assert [(event.step_id, event.data["reason"]) for event in held] == [(3, "concurrency"), (4, "concurrency")]
    for step_id in (3, 2, 4):
        await bench.finish(task_id, step_id)


async def test_the_line_is_by_priority_and_then_by_arrival(bench: Bench) -> None:
    """An urgent task overtakes in the line, not what is under way."""
    first = await bench.submit(ROOT, **group(1))
    late = [await bench.submit(ROOT, **group(1, priority=priority)) for priority in (9, 5, 5, 0)]

    order = []
    ahead = first
    while ahead:
        await bench.finish(ahead, 1)
        queued = [task_id for task_id in late if await bench.statuses(task_id) == ["queued"]]
        assert len(queued) <= 1
        ahead = queued[0] if queued else ""
        order += queued

    assert order == [late[3], late[1], late[2], late[0]]


async def test_groups_of_other_values_and_tasks_without_a_limit_pass_by(bench: Bench) -> None:
    """A group is one value of one label."""
    await bench.submit(ROOT, **group(1))
    other = await bench.submit(ROOT, labels={"team": "b"}, concurrency=Concurrency("team", 1))
    free = await bench.submit(ROOT, labels={"team": "a"})

    assert await bench.statuses(other) == await bench.statuses(free) == ["queued"]


async def test_tasks_of_one_group_may_have_different_limits(bench: Bench) -> None:
    """Each is let in by its own limit; whoever is ahead in the line is not passed by."""
    wide = await bench.submit(roots(3), **group(3))
    narrow = await bench.submit(roots(1), **group(1))
    behind = await bench.submit(roots(2), **group(3))

    await bench.finish(wide, 1)
    await bench.finish(wide, 2)
    assert await bench.statuses(narrow) == ["limited"]
    await bench.finish(wide, 3)

    assert await bench.statuses(narrow) == ["queued"]
    assert await bench.statuses(behind) == ["queued", "queued"]
    await bench.finish(narrow, 1)


@pytest.mark.parametrize("mode", ["force", "graceful", "finish"])
async def test_who_is_cancelled_leaves_the_line(bench: Bench, mode: str) -> None:
    """The place in the line is given up, and the next one gets the turn."""
    ahead, gone, next_one = [await bench.submit(ROOT, **group(1)) for _ in range(3)]
    await bench.tasks.cancel(gone, CancelMode(mode), by="me", reason=None)

    await bench.finish(ahead, 1)

    assert await bench.statuses(next_one) == ["queued"]


async def test_whoever_stood_behind_one_that_leaves_the_line_gets_the_turn_at_once(bench: Bench) -> None:
    """Two are under way: the first in line allows one, those behind it three. It is cancelled: one place is free."""
    await bench.submit(roots(2), **group(3))
    first, behind = await bench.submit(ROOT, **group(1)), await bench.submit(roots(2), **group(3))
    assert await bench.statuses(behind) == ["limited", "limited"]

    await bench.tasks.cancel(first, CancelMode.FORCE, by="me", reason=None)

    assert await bench.statuses(behind) == ["queued", "limited"]


async def test_two_tasks_of_a_group_that_expire_together_leave_no_place_taken(bench: Bench) -> None:
    """The second is let in by the end of the first and ends in the same breath."""
    both = [await bench.submit(ROOT, **group(1, deadline=Moment(60_000, relative=True))) for _ in range(2)]
    waiting = await bench.submit(ROOT, **group(1))
    await bench.redis.zadd(bench.keys.deadlines, dict.fromkeys(both, 1))

    assert (await bench.tasks.expire())[0] == 2

    assert await bench.statuses(waiting) == ["queued"]
    await bench.finish(waiting, 1)
    assert await bench.redis.keys(f"{bench.keys.tag}:busy:*") == []


async def test_a_delayed_task_takes_no_place_before_its_time(bench: Bench) -> None:
    """What starts in an hour keeps nobody out; when it falls due it is limited like everybody."""
    later = await bench.submit(ROOT, **group(1, not_before=Moment(3_600_000, relative=True)))
    now = await bench.submit(ROOT, **group(1))
    assert await bench.statuses(now) == ["queued"]
    await bench.move()

    assert await bench.store.start(await bench.ref(later, 1), worker="w1") is None

    assert await bench.statuses(later) == ["limited"]
    await bench.finish(now, 1)
    assert await bench.statuses(later) == ["queued"]
    await bench.finish(later, 1)


async def test_a_delayed_task_is_not_let_in_before_its_time(bench: Bench) -> None:
    """A place that becomes free starts nothing that shall not start yet, nor does its cancellation free one."""
    ahead = await bench.submit(ROOT, **group(1))
    later = await bench.submit(ROOT, **group(1, not_before=Moment(3_600_000, relative=True)))
    third = await bench.submit(ROOT, **group(1))
    assert await bench.messages("retriever") != []

    await bench.tasks.cancel(later, CancelMode.FORCE, by="me", reason=None)
    assert await bench.statuses(third) == ["limited"]
    await bench.finish(ahead, 1)

    assert (await bench.types(later)).count("step.queued") == 1
    assert "batch.dispatched" not in await bench.types(later)
    assert await bench.statuses(third) == ["queued"]


async def test_a_held_step_gives_its_place_away(bench: Bench) -> None:
    """During a pause others of the group go on; afterwards it lines up again."""
    paused, other = await bench.submit(ROOT, **group(1)), await bench.submit(ROOT, **group(1))
    await bench.tasks.pause(paused, by="me", reason=None)
    assert await bench.store.start(await bench.ref(paused, 1), worker="w1") is None
    assert await bench.statuses(other) == ["queued"]

    await bench.tasks.resume(paused, by="me", reason=None)

    assert await bench.statuses(paused) == ["limited"]
    await bench.finish(other, 1)
    await bench.finish(paused, 1)


async def test_a_task_that_runs_again_lines_up_again(bench: Bench) -> None:
    """A retry by a person does not jump the limit."""
    failed, other = await bench.submit(ROOT, **group(1)), await bench.submit(ROOT, **group(1))
    await bench.fail(failed, 1)
    await bench.tasks.retry(failed, from_step=None, by="me")

    assert await bench.statuses(failed) == ["limited"]
    await bench.finish(other, 1)
    await bench.finish(failed, 1)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 5))])
async def test_the_limit_holds_whatever_happens(bench: Bench, seed: int) -> None:
    """Five diamonds in one group, random deaths, failures, pauses and retries: never above two, all complete."""
    chance = random.Random(seed)
    task_ids = [await bench.submit(DIAMOND, **group(2, priority=chance.choice((1, 5, 9)))) for _ in range(5)]
    for _ in range(400):
        task_id = chance.choice(task_ids)
        await _random_act(bench, task_id, chance)
        assert await under_way(bench, *task_ids) <= 2
        if not await bench.redis.zcard(bench.keys.open):
            break
    for task_id in task_ids:
        if await bench.status(task_id) == "paused":
            await bench.tasks.resume(task_id, by="me", reason=None)
    await bench.deliver(bench.runner())
    assert {await bench.status(task_id) for task_id in task_ids} <= {"completed", "failed"}
    assert await bench.redis.keys(f"{bench.keys.tag}:busy:*") == []
    assert await bench.redis.keys(f"{bench.keys.tag}:line:*") == []


async def _random_act(bench: Bench, task_id: str, chance: random.Random) -> None:
    status = await bench.status(task_id)
    if status == "paused":
        await bench.tasks.resume(task_id, by="me", reason=None)
    elif status == "failed":
        await bench.tasks.retry(task_id, from_step=None, by="me")
    elif status != "completed" and chance.random() < 0.1:
        await bench.tasks.pause(task_id, by="me", reason=None)
    for place, state in enumerate(await bench.statuses(task_id)):
        if state not in UNDER_WAY or chance.random() < 0.5:
            continue
        await bench.move()
        attempt = await bench.store.start(await bench.ref(task_id, place + 1), worker="w1")
        if attempt is not None and chance.random() < 0.7:
            await bench.store.complete(attempt, b"{}", "")
        elif attempt is not None and chance.random() < 0.8:
            retryable = chance.random() < 0.7
            await bench.store.fail(attempt, ERROR, retryable=retryable, delay_ms=1, max_attempts=3)


async def test_a_step_that_waits_for_its_retry_holds_no_place(bench: Bench) -> None:
    """While one task backs off, the next of its group runs; the first stands in line when its time has come."""
    first, second = [await bench.submit(ROOT, **group(1)) for _ in range(2)]
    attempt = await bench.start(first, 1)
    assert await bench.statuses(second) == ["limited"]

    await bench.store.fail(attempt, ERROR, retryable=True, delay_ms=60_000, max_attempts=3)

    assert await bench.statuses(second) == ["queued"]
    running = await bench.start(second, 1)
    await bench.move()
    assert await bench.store.start(await bench.ref(first, 1), worker="w1") is None
    assert await bench.statuses(first) == ["limited"]
    await bench.store.complete(running, b"{}", "")
    assert await bench.statuses(first) == ["queued"]
