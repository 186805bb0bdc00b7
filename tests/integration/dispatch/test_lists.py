"""Where tasks are listed, and that deleting them leaves nothing."""

import pytest

from app.dispatch.listing import TaskFilter, TaskList
from app.errors import BadCursor, NotPossible, TaskNotFound
from app.model.task import CancelMode, TaskStatus

from .checks import lasting_keys, letters
from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


async def ids(bench: Bench, wanted: TaskFilter, tenant: str = "default") -> list[str]:
    page = await TaskList(bench.redis, bench.keys).page(tenant, wanted)
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
    lists = TaskList(bench.redis, bench.keys)
    page = await lists.page("default", TaskFilter(), limit=2)
    await cancel(bench, tasks[3])
    await bench.tasks.delete(tasks[3])
    await bench.submit(LINE)

    rest = await lists.page("default", TaskFilter(), cursor=page.next, limit=9)

    assert [task.task_id for task in (*page.tasks, *rest.tasks)] == [tasks[4], tasks[3], tasks[2], tasks[1], tasks[0]]
    assert rest.next is None
    with pytest.raises(BadCursor):
        await lists.page("default", TaskFilter(), cursor="x")


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
