"""Where tasks are listed, and that deleting them leaves nothing."""

import asyncio

import pytest

from app.dispatch.counting import TaskCounter
from app.dispatch.listing import READ_SIZE, TaskFilter, TaskList
from app.dispatch.scripts import ScriptRunner
from app.dispatch.sieve import SIFTED_PER_CALL, Sieve
from app.errors import BadCursor, NotPossible, TaskNotFound, Unavailable
from app.model.task import CancelMode, ListStatus, TaskStatus, new_task_id

from .checks import lasting_keys, letters
from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


def lists(bench: Bench) -> TaskList:
    return TaskList(bench.redis, bench.keys, Sieve(ScriptRunner(bench.redis, bench.keys, retry_ms_max=1000)))


def counter(bench: Bench) -> TaskCounter:
    return TaskCounter(bench.redis, bench.keys, lists(bench))


async def many(bench: Bench, states: list[TaskStatus]) -> list[str]:
    """Tasks that are nothing but their places in the lists of open ones; some hashes may be gone already."""
    bench.damaged = True
    pipeline, ids = bench.redis.pipeline(transaction=False), [new_task_id(n, n) for n in range(1, len(states) + 1)]
    for task_id, state in zip(ids, states, strict=True):
        fields = {"status": state, "task": "x", "priority": 5, "labels": "{}", "created": 1, "steps": 1, "left": 1}
        pipeline.hset(bench.keys.task(task_id), mapping=fields)
        for part in ("", "s:open", "l:team=a"):
            pipeline.zadd(bench.keys.index("default", part), {task_id: 0})
    await pipeline.execute()
    return ids


async def ids(bench: Bench, wanted: TaskFilter, tenant: str = "default") -> list[str]:
    page = await lists(bench).page(tenant, wanted)
    return [task.task_id for task in page.tasks]


async def cancel(bench: Bench, task_id: str) -> None:
    await bench.tasks.cancel(task_id, CancelMode.FORCE, by="x", reason=None)


async def test_a_task_moves_between_the_lists_of_its_states(bench: Bench) -> None:
    """Open, ended, open again; by label and by tenant it is always found, newest first."""
    first, second = await bench.submit(LINE, labels={"team": "a"}), await bench.submit(LINE, labels={"team": "a"})
    other = await bench.submit(LINE, tenant="other", labels={"team": "a"})
    label = TaskFilter(labels=(("team", "a"),))
    assert await ids(bench, label) == await ids(bench, TaskFilter(status=TaskStatus.QUEUED)) == [second, first]
    assert await ids(bench, label, "other") == [other]

    await cancel(bench, first)
    assert await ids(bench, TaskFilter(status=TaskStatus.CANCELLED)) == [first]
    assert await ids(bench, TaskFilter(status=TaskStatus.QUEUED)) == [second]
    await bench.tasks.retry(first, from_step=None, by="x")
    await bench.start(first, 1)

    assert await ids(bench, TaskFilter(status=TaskStatus.CANCELLED)) == []
    assert await ids(bench, TaskFilter(status=TaskStatus.RUNNING)) == [first]
    assert await ids(bench, TaskFilter(status=TaskStatus.RUNNING, labels=(("team", "a"),), words="DO it")) == [first]
    assert await ids(bench, TaskFilter(words="else")) == []


async def test_a_cursor_passes_nothing_over_and_shows_nothing_twice(bench: Bench) -> None:
    """Tasks come and go between two pages."""
    tasks = [await bench.submit(LINE) for _ in range(5)]
    found = lists(bench)
    page = await found.page("default", TaskFilter(), limit=2)
    await cancel(bench, tasks[3])
    await bench.tasks.delete(tasks[3])
    await bench.submit(LINE)

    rest = await found.page("default", TaskFilter(), cursor=page.next, limit=9)

    assert [task.task_id for task in (*page.tasks, *rest.tasks)] == [tasks[4], tasks[3], tasks[2], tasks[1], tasks[0]]
    assert rest.next is None
    with pytest.raises(BadCursor):
        await found.page("default", TaskFilter(), cursor="x")


async def test_deleting_a_task_leaves_nothing_of_it(bench: Bench) -> None:
    """Only one that has ended may go; then it is unknown everywhere."""
    task_id = await bench.submit(LINE, labels={"team": "a", "kind": "b"})
    with pytest.raises(NotPossible, match="queued"):
        await bench.tasks.delete(task_id)
    await bench.fail(task_id, 1)

    await bench.tasks.delete(task_id)

    assert [key for key in await lasting_keys(bench) if task_id in key or ":ix:" in key] == []
    assert await bench.redis.keys(f"{bench.keys.tag}:*:{task_id}") == []
    with pytest.raises(TaskNotFound):
        await bench.tasks.delete(task_id)
    with pytest.raises(TaskNotFound):
        await bench.reader.view(task_id)


async def test_tasks_whose_retention_is_over_are_forgotten(bench: Bench) -> None:
    """Those that are due and no other; open tasks never."""
    due, kept, running = [await bench.submit(LINE) for _ in range(3)]
    for task_id in (due, kept):
        await cancel(bench, task_id)
    await bench.redis.zadd(bench.keys.expiry, {due: 1})

    assert await bench.tasks.forget_expired() == 1
    assert await bench.tasks.forget_expired() == 0

    assert await ids(bench, TaskFilter()) == [running, kept]


async def test_the_letters_of_a_task_go_with_it(bench: Bench) -> None:
    """They hold what its step said when it failed: gone when it is deleted, and when its retention is over."""
    deleted, due, kept = [await bench.submit([LINE[0] | {"on_failure": how}]) for how in ("fail", "skip", "fail")]
    for task_id in (deleted, due, kept):
        await bench.fail(task_id, 1)
    await bench.redis.zadd(bench.keys.expiry, {due: 1})

    await bench.tasks.delete(deleted)
    assert await letters(bench, "retriever") == {f"{due}:1:1", f"{kept}:1:1"}
    await bench.tasks.forget_expired()

    assert await letters(bench, "retriever") == {f"{kept}:1:1"}


async def test_a_task_that_redis_dropped_by_itself_leaves_the_lists(bench: Bench) -> None:
    """Its key expired before anybody forgot it: the list that shows it takes it off."""
    task_id = await bench.submit(LINE)
    await cancel(bench, task_id)
    await bench.redis.delete(bench.keys.task(task_id), bench.keys.events(task_id))

    assert await ids(bench, TaskFilter()) == []
    assert await ids(bench, TaskFilter(status=TaskStatus.CANCELLED)) == []

    assert await bench.redis.keys(f"{bench.keys.tag}:ix:*") == []
    assert await bench.tasks.forget_expired() == 0
    await bench.redis.zadd(bench.keys.expiry, {task_id: 1})
    assert await bench.tasks.forget_expired() == 1


# --- Counted by their states


async def test_open_tasks_are_counted_by_their_states_and_ended_ones_too(bench: Bench) -> None:
    """All, those of a label, of words and of a time; each task stands where it is at that moment."""
    _, running, paused = [await bench.submit(LINE, labels={"team": "a", "n": str(n)}) for n in range(3)]
    await bench.submit(LINE, tenant="other", labels={"team": "a"})
    await bench.start(running, 1)
    await bench.tasks.pause(paused, by="x", reason=None)
    gone = await bench.submit(LINE)
    await cancel(bench, gone)

    async def counts(wanted: TaskFilter) -> dict[str, int]:
        found = (await counter(bench).counts("default", wanted)).model_dump()
        assert found.pop("complete")
        return {state: number for state, number in found.items() if number}

    labelled = {"total": 3, "open": 3, "queued": 1, "running": 1, "paused": 1}
    assert await counts(TaskFilter()) == labelled | {"total": 4, "cancelled": 1}
    assert await counts(TaskFilter(labels=(("team", "a"),))) == labelled
    assert await counts(TaskFilter(labels=(("team", "a"), ("n", "2")))) == {"total": 1, "open": 1, "paused": 1}
    assert await counts(TaskFilter(words="DO it", labels=(("team", "a"),))) == labelled
    assert await counts(TaskFilter(words="nothing")) == {}
    assert await counts(TaskFilter(created_after_ms=1 << 47)) == {}
    # What is counted does not depend on the state that the list shows.
    assert await counts(TaskFilter(status=ListStatus.PAUSED, words="do")) == labelled | {"total": 4, "cancelled": 1}
    assert await ids(bench, TaskFilter(status=ListStatus.ENDED)) == [gone]


async def test_more_tasks_than_one_look_takes_are_counted_one_by_one(bench: Bench) -> None:
    """Exactly, whatever their number; what was counted holds for a moment, and one without a hash is nothing."""
    states = [TaskStatus.QUEUED] * (SIFTED_PER_CALL + 7) + [TaskStatus.PAUSED] * 3 + [TaskStatus.RUNNING] * 5
    known = await many(bench, states)
    await bench.redis.delete(bench.keys.task(known[0]))
    found = counter(bench)

    counts = await found.counts("default")
    assert (counts.open, counts.queued, counts.paused, counts.running) == (len(states) - 1, len(states) - 9, 3, 5)
    await bench.redis.hset(bench.keys.task(known[1]), "status", "paused")
    assert await found.counts("default") == counts
    assert (await counter(bench).counts("default")).paused == 4
    assert (await found.counts("default", TaskFilter(labels=(("team", "a"),)))).paused == 4


async def test_beyond_the_most_that_are_counted_that_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many are open is known all the same; of a filter the numbers are those that were seen."""
    monkeypatch.setattr("app.dispatch.counting.COUNTED_MAX", SIFTED_PER_CALL)
    await many(bench, [TaskStatus.PAUSED] * 9 + [TaskStatus.QUEUED] * SIFTED_PER_CALL)

    counts = await counter(bench).counts("default")
    labelled = await counter(bench).counts("default", TaskFilter(labels=(("team", "a"),)))

    assert (counts.total, counts.open, counts.queued, counts.paused) == (SIFTED_PER_CALL + 9,) * 2 + (
        SIFTED_PER_CALL,
        0,
    )
    assert labelled.total == labelled.queued == SIFTED_PER_CALL
    assert not counts.complete
    assert not labelled.complete


async def test_a_count_that_goes_on_for_long_keeps_nobody_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells what it has seen; who waits behind it, another tenant too, is told to come again."""
    known = await many(bench, [TaskStatus.QUEUED] * (2 * SIFTED_PER_CALL))
    found = counter(bench)
    monkeypatch.setattr("app.dispatch.counting.COUNTING_S_MAX", 0.0)
    counts = await found.counts("default", TaskFilter(labels=(("team", "a"),)))
    assert (counts.complete, counts.total < len(known)) == (False, True)
    monkeypatch.undo()

    monkeypatch.setattr("app.dispatch.counting.PAUSE_SHARE", 1_000_000)
    first = asyncio.create_task(found.counts("default"))
    await asyncio.sleep(0)
    assert found._turn.locked()
    monkeypatch.setattr("app.dispatch.counting.WAIT_S_MAX", 0.2)
    with pytest.raises(Unavailable):
        await found.counts("other")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    with pytest.raises(Unavailable):
        await found.counts("default")
    monkeypatch.undo()
    assert (await found.counts("default")).queued == len(known)


async def test_pages_of_a_state_pass_over_no_task_that_stays_in_it(bench: Bench) -> None:
    """While others come into it and leave it between two pages; rare ones are found behind thousands of others."""
    states = [TaskStatus.PAUSED] * 6 + [TaskStatus.QUEUED] * (2 * SIFTED_PER_CALL + 1)
    known = await many(bench, states)
    paused, found = TaskFilter(status=ListStatus.PAUSED), lists(bench)

    page = await found.page("default", paused, limit=2)
    assert [task.task_id for task in page.tasks] == [known[5], known[4]]
    await bench.redis.hset(bench.keys.task(known[3]), "status", "running")
    await bench.redis.hset(bench.keys.task(known[-1]), "status", "paused")
    rest = await found.page("default", paused, cursor=page.next, limit=100)

    assert [task.task_id for task in rest.tasks] == [known[2], known[1], known[0]]
    assert rest.next is None


async def test_words_are_found_behind_many_tasks_of_the_same_state(bench: Bench) -> None:
    """More than are named to one look: the next one begins behind the last that was named."""
    known = await many(bench, [TaskStatus.PAUSED] * (READ_SIZE + 20))
    for task_id in known[:20]:
        await bench.redis.hset(bench.keys.task(task_id), "task", "rare")

    page = await lists(bench).page("default", TaskFilter(status=ListStatus.PAUSED, words="rare"), limit=100)

    assert ([task.task_id for task in page.tasks], page.next) == (known[19::-1], None)


async def test_pages_of_a_state_take_off_what_is_gone(bench: Bench) -> None:
    """A task that Redis dropped by itself has no state any more, and leaves the list of those that are open."""
    gone, there = await many(bench, [TaskStatus.PAUSED] * 2)
    await bench.redis.delete(bench.keys.task(gone))

    assert await ids(bench, TaskFilter(status=ListStatus.PAUSED)) == [there]
    assert await bench.redis.zrange(bench.keys.index("default", "s:open"), 0, -1) == [there.encode()]
