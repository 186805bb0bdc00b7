"""A task that did not succeed runs again, in place: what again, what stays, and how often."""

from itertools import pairwise
from typing import Any

import anyio
import pytest

from app.dispatch import store
from app.dispatch.context import StepContext
from app.dispatch.intake import Intake
from app.errors import InvalidRequest, NotPossible, Permanent, TaskNotFound
from app.model.agents import StepOutput
from app.model.task import CancelMode, Moment, TaskInputs

from .checks import letters
from .conftest import DIAMOND, LINE, Bench

pytestmark = pytest.mark.anyio


async def failed_diamond(bench: Bench) -> str:
    """Step 1 and 2 done, 3 failed, 4 skipped."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1, "one")
    await bench.finish(task_id, 2, "two")
    await bench.fail(task_id, 3)
    return task_id


async def retry(bench: Bench, task_id: str, from_step: int | None = None) -> None:
    await bench.tasks.retry(task_id, from_step=from_step, by="me")


async def test_only_what_did_not_succeed_runs_again(bench: Bench) -> None:
    """Results of the others stay; the log goes on behind the terminal event to another one."""
    task_id = await failed_diamond(bench)

    await retry(bench, task_id)

    view = await bench.reader.view(task_id)
    assert [str(step.status) for step in view.steps] == ["completed", "completed", "queued", "waiting"]
    assert (view.status, view.error, view.finished_ms, view.steps[2].failures) == ("running", None, None, 0)
    again = next(event for event in await bench.events(task_id) if event.type == "task.retried")
    assert again.data == {"by": "me", "from_step": None, "steps": [3, 4]}
    await bench.finish(task_id, 3)
    attempt = await bench.start(task_id, 4)
    assert set(await bench.reader.results(task_id, attempt.depends_on)) == {2, 3}
    await bench.store.complete(attempt, b"{}", "")
    types = await bench.types(task_id)
    assert [name for name in types if name in ("task.failed", "task.retried", "task.completed")] == [
        "task.failed", "task.retried", "task.completed",
    ]  # fmt: skip
    assert types.count("task.started") == 1


async def test_what_lay_between_an_end_and_a_retry_is_no_part_of_what_a_task_took(bench: Bench) -> None:
    """The last event leaves it out, and the view says how long that was."""
    task_id = await failed_diamond(bench)
    for step_id in (3, 4):
        await anyio.sleep(0.02)
        await retry(bench, task_id)
        if step_id == 3:
            await bench.fail(task_id, 3)
    await bench.finish(task_id, 3)
    await bench.finish(task_id, 4)

    events = await bench.events(task_id)
    rested_ms = sum(after.ts - end.ts for end, after in pairwise(events) if after.type == "task.retried")
    view = await bench.reader.view(task_id)
    assert rested_ms >= 40
    assert view.rested_ms == rested_ms
    assert events[-1].data["duration_ms"] == events[-1].ts - events[0].ts - rested_ms


async def test_from_a_step_on_all_that_depends_on_it_runs_again(bench: Bench) -> None:
    """A completed step is void with its result and memos; its sibling's are not."""
    task_id = await failed_diamond(bench)

    await retry(bench, task_id, from_step=2)

    assert await bench.statuses(task_id) == ["completed", "queued", "queued", "waiting"]
    assert set(await bench.reader.results(task_id, [1, 2, 3, 4])) == {1}
    for step_id in (2, 3, 4):
        await bench.finish(task_id, step_id)


async def test_every_key_lasts_again_until_the_next_end(bench: Bench) -> None:
    """What was about to expire is kept, the documents too; the next end lets it go."""
    sha256 = "ab" * 32
    task = bench.task(LINE).model_copy(update={"inputs": TaskInputs(documents_sha256=sha256)})
    await bench.tasks.submit(Intake(task, b"[]"), bench.registry)
    keys = [bench.keys.task(task.task_id), bench.keys.events(task.task_id)]
    keys += [bench.keys.documents(sha256), bench.keys.documents(sha256) + ":tasks"]
    await bench.finish(task.task_id, 1)
    await bench.fail(task.task_id, 2)
    assert all([await bench.redis.pttl(key) > 0 for key in keys])

    await retry(bench, task.task_id)

    assert all([await bench.redis.pttl(key) == -1 for key in keys])
    assert await bench.redis.zscore(bench.keys.expiry, task.task_id) is None
    assert await bench.redis.zscore(bench.keys.index("default", "s:failed"), task.task_id) is None
    assert await bench.redis.zscore(bench.keys.index("default", "s:open"), task.task_id) == 0
    await bench.finish(task.task_id, 2)
    await bench.finish(task.task_id, 3)
    assert all([await bench.redis.pttl(key) > 0 for key in keys])


async def test_memos_of_a_failed_step_are_kept_and_of_a_completed_one_voided(bench: Bench) -> None:
    """A failed step need not repeat its effects; one that shall run again although it succeeded must."""
    task_id = await bench.submit(LINE)
    for step_id in (1, 2):
        attempt = await bench.start(task_id, step_id)
        await bench.store.memo(attempt, "mail", b'"sent"')
        if step_id == 1:
            await bench.store.complete(attempt, b"{}", "")
    await bench.store.release(attempt, "x")
    await bench.fail(task_id, 2)

    await retry(bench, task_id)
    assert await bench.reader.memo(task_id, 1, "mail") == await bench.reader.memo(task_id, 2, "mail") == b'"sent"'
    await bench.fail(task_id, 2)
    await retry(bench, task_id, from_step=1)

    assert await bench.reader.memo(task_id, 1, "mail") is None
    assert await bench.reader.memo(task_id, 2, "mail") == b'"sent"'


@pytest.mark.parametrize("end", ["cancelled", "expired", "failed"])
async def test_whatever_did_not_succeed_may_run_again(bench: Bench, end: str) -> None:
    """Cancelled, expired and failed tasks run to completion after a retry; old entries start nothing."""
    task_id = await bench.submit(LINE, deadline=Moment(60_000, relative=True))
    stale = await bench.ref(task_id, 1)
    if end == "cancelled":
        await bench.tasks.cancel(task_id, CancelMode.FORCE, by="me", reason=None)
    elif end == "expired":
        await bench.redis.zadd(bench.keys.deadlines, {task_id: 1})
        await bench.tasks.expire()
    else:
        await bench.fail(task_id, 1)
    assert await bench.status(task_id) == end

    await retry(bench, task_id)

    assert await bench.store.start(stale, worker="w1") is None
    await bench.deliver(bench.runner())
    assert await bench.status(task_id) == "completed"


async def test_a_retry_is_refused_where_it_makes_no_sense(bench: Bench) -> None:
    """A task that runs, or succeeded; a step that is not there; a task that is not there."""
    running, done, failed = await bench.submit(LINE), await bench.submit(LINE[:1]), await bench.submit(LINE[:1])
    await bench.finish(done, 1)
    await bench.fail(failed, 1)

    for task_id, state in ((running, "queued"), (done, "completed")):
        with pytest.raises(NotPossible, match=state):
            await retry(bench, task_id)
    with pytest.raises(InvalidRequest):
        await retry(bench, failed, from_step=7)
    with pytest.raises(TaskNotFound):
        await retry(bench, "0-none")


async def test_retries_are_limited(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two were allowed, the third is refused and changes nothing."""
    monkeypatch.setattr(store, "RETRIES_MAX", 2)
    task_id = await bench.submit(LINE[:1])
    for _ in range(2):
        await bench.fail(task_id, 1)
        await retry(bench, task_id)
    await bench.fail(task_id, 1)
    before = await bench.types(task_id)

    with pytest.raises(NotPossible, match="2 times"):
        await retry(bench, task_id)

    assert await bench.types(task_id) == before


async def test_a_task_whose_documents_are_gone_is_not_retried(bench: Bench) -> None:
    """Without what it works on it would only fail again."""
    sha256 = "cd" * 32
    task = bench.task(LINE).model_copy(update={"inputs": TaskInputs(documents_sha256=sha256)})
    await bench.tasks.submit(Intake(task, b"[]"), bench.registry)
    await bench.fail(task.task_id, 1)
    await bench.redis.delete(bench.keys.documents(sha256))

    with pytest.raises(NotPossible, match="no longer kept"):
        await retry(bench, task.task_id)


async def test_effects_are_known_by_one_key_until_a_person_asks_for_them_again(bench: Bench) -> None:
    """The idempotency key outlives a failure and a redelivery; a retry by a person gives a new one."""
    keys: list[str] = []

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        keys.append(ctx.idempotency_key)
        if len(keys) == 1:
            raise ValueError("again")
        raise Permanent("no")

    task_id = await bench.submit(LINE[:1])
    await bench.deliver(bench.runner(retriever=agent))
    assert (len(keys), len(set(keys))) == (2, 1)
    await retry(bench, task_id)
    crashed = await bench.start(task_id, 1)
    await bench.runner(retriever=agent).run(crashed.ref)

    assert len(set(keys)) == 2
    await retry(bench, task_id, from_step=1)
    await bench.deliver(bench.runner(retriever=agent))
    assert len(set(keys)) == 3


async def test_a_step_that_runs_again_is_no_dead_letter(bench: Bench) -> None:
    """The letter of its failure goes with the retry, those of other tasks stay; the next failure writes another."""
    task_id, other = await failed_diamond(bench), await failed_diamond(bench)
    queue = "analyzer"
    assert await letters(bench, queue) == {f"{task_id}:3:1", f"{other}:3:1"}

    await retry(bench, task_id)
    assert await letters(bench, queue) == {f"{other}:3:1"}

    await bench.fail(task_id, 3)
    assert await letters(bench, queue) == {f"{task_id}:3:2", f"{other}:3:1"}


async def test_only_the_failure_that_was_meant_is_retried(bench: Bench) -> None:
    """Whoever names a dispatch that has been followed by another one is refused, whatever came of that."""
    task_id = await failed_diamond(bench)
    await bench.tasks.retry(task_id, from_step=3, failed_as=1, by="me")
    await bench.fail(task_id, 3)

    with pytest.raises(NotPossible, match="run again since"):
        await bench.tasks.retry(task_id, from_step=3, failed_as=1, by="me")
    with pytest.raises(NotPossible, match="run again since"):
        await bench.tasks.retry(task_id, from_step=1, failed_as=1, by="me")
    await bench.tasks.retry(task_id, from_step=3, failed_as=2, by="me")
