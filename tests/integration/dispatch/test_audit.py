"""The audit: what it repairs after somebody has touched the keys, and that it otherwise finds nothing."""

import pytest

from app.broker.keys import ShardKeys
from app.dispatch.store import Audited
from app.model.task import Concurrency

from .conftest import DIAMOND, LINE, Bench

pytestmark = pytest.mark.anyio


async def audit(bench: Bench) -> Audited:
    """One look; what the test damaged is no matter for the look at the end of every test."""
    await bench.redis.delete(f"{bench.keys.audit}:lock")
    found = await bench.tasks.audit()
    assert found is not None
    return found


async def settled(bench: Bench, repaired: int) -> None:
    """The counter says what was repaired, and a second look finds nothing."""
    assert (await audit(bench)).repaired == 0
    assert await bench.redis.hget(bench.keys.audit, "repaired") == str(repaired).encode()
    await bench.redis.hdel(bench.keys.audit, "repaired")


async def state(bench: Bench, task_id: str, step_id: int, **fields: object) -> None:
    """Writes into a step's line, as no script would."""
    line = await bench.state(task_id, step_id) | {name: str(value) for name, value in fields.items()}
    await bench.redis.hset(bench.keys.task(task_id), f"s:{step_id}", "|".join(line.values()))


async def test_a_lost_entry_is_sent_again(bench: Bench) -> None:
    """Entries of other tasks in the stream do not hide the loss."""
    lost, kept = await bench.submit(LINE), await bench.submit(LINE)
    stream = ShardKeys(bench.keys.tag).queue("retriever").stream()
    await bench.redis.xdel(stream, (await bench.redis.xrange(stream))[0][0])
    await state(bench, lost, 1, queued=1)

    assert await audit(bench) == Audited(2, 1, round_over=True)

    assert {ref.task_id for ref in await bench.refs("retriever")} == {lost, kept}
    await settled(bench, 1)
    await bench.finish(lost, 1)


async def test_a_lost_delayed_entry_is_sent(bench: Bench) -> None:
    """A retry whose member has vanished from the delay queue runs, if late."""
    task_id = await bench.submit(LINE)
    await bench.fail(task_id, 1, again_ms=60_000)
    queue = ShardKeys(bench.keys.tag).queue("retriever")
    await bench.redis.delete(queue.due, queue.due_bodies, queue.stream())
    assert (await audit(bench)).repaired == 0
    await state(bench, task_id, 1, queued=1)

    assert (await audit(bench)).repaired == 1

    await settled(bench, 1)
    await bench.finish(task_id, 1)


async def test_a_step_that_runs_beyond_its_time_is_taken_from_its_worker(bench: Bench) -> None:
    """It counts as a crash, the log closes the attempt, and the zombie is fenced."""
    task_id = await bench.submit(LINE)
    await bench.start(task_id, 1)
    await state(bench, task_id, 1, started=1)

    assert (await audit(bench)).repaired == 1

    step = (await bench.reader.view(task_id)).steps[0]
    assert (step.status, step.crashes) == ("queued", 1)
    await settled(bench, 1)
    await bench.finish(task_id, 1)


async def test_a_step_that_overruns_too_often_is_given_up(bench: Bench) -> None:
    """The third time it fails its task, which counts as a repair like the others."""
    task_id = await bench.submit(LINE)
    for _ in range(3):
        await bench.start(task_id, 1)
        await state(bench, task_id, 1, started=1)
        assert (await audit(bench)).repaired == 1

    view = await bench.reader.view(task_id)
    assert (str(view.status), view.error and view.error["code"]) == ("failed", "poison")
    await settled(bench, 3)


async def test_what_an_audit_puts_in_line_itself_is_no_second_repair(bench: Bench) -> None:
    """The end of an overrun makes two steps ready, for which there is one place."""
    plan = [step | {"on_failure": "continue"} for step in DIAMOND]
    task_id = await bench.submit(plan, labels={"team": "a"}, concurrency=Concurrency("team", 1))
    for _ in range(3):
        await bench.start(task_id, 1)
        await state(bench, task_id, 1, started=1)
        assert (await audit(bench)).repaired == 1

    assert (await bench.types(task_id)).count("step.held") == 1
    await settled(bench, 3)
    await bench.finish(task_id, 2)
    await bench.finish(task_id, 3)


async def test_a_step_that_waits_for_nothing_is_sent(bench: Bench) -> None:
    """All it waited for is done."""
    task_id = await bench.submit(LINE)
    await bench.finish(task_id, 1)
    await state(bench, task_id, 2, state="waiting", open=0)

    assert (await audit(bench)).repaired == 1

    await settled(bench, 1)
    await bench.finish(task_id, 2)


async def test_a_step_that_fell_out_of_its_line_stands_in_it_again(bench: Bench) -> None:
    """Without it nobody would ever let the step in."""
    group = {"labels": {"team": "a"}, "concurrency": Concurrency("team", 1)}
    ahead, lost = await bench.submit(LINE[:1], **group), await bench.submit(LINE[:1], **group)
    await bench.redis.delete(*await bench.redis.keys(f"{bench.keys.tag}:line:*"))

    assert (await audit(bench)).repaired == 1

    await settled(bench, 1)
    await bench.finish(ahead, 1)
    await bench.finish(lost, 1)


async def test_an_ended_or_vanished_task_is_not_open(bench: Bench) -> None:
    """The list of open tasks holds what is open."""
    await bench.redis.zadd(bench.keys.open, {"0-none": 1})

    assert (await audit(bench)).repaired == 1

    await settled(bench, 1)
    assert await bench.redis.zcard(bench.keys.open) == 0


async def test_the_fleet_rests_between_two_rounds(bench: Bench) -> None:
    """While one has just looked nobody else does."""
    await bench.submit(LINE)
    await audit(bench)
    await bench.redis.set(f"{bench.keys.audit}:lock", 1, px=60_000)

    assert await bench.tasks.audit() is None


async def test_a_busy_run_needs_no_repair(bench: Bench) -> None:
    """After every single transition of thirty tasks in all states the audit finds nothing."""
    group = {"labels": {"team": "a"}, "concurrency": Concurrency("team", 4)}
    tasks = [await bench.submit(DIAMOND, **(group if n % 2 else {})) for n in range(30)]
    for n, task_id in enumerate(tasks):
        if (await bench.statuses(task_id))[0] != "queued":
            continue
        if n % 3 == 0:
            await bench.fail(task_id, 1, again_ms=60_000)
        elif n % 3 == 1:
            await bench.finish(task_id, 1)
        else:
            await bench.start(task_id, 1)
        assert (await audit(bench)).repaired == 0
    await bench.deliver(bench.runner(), rounds=3)
    while not (await audit(bench)).round_over:
        pass
    assert await bench.redis.hget(bench.keys.audit, "repaired") is None
