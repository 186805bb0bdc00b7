"""What a final failure means for the rest of the plan: fail, skip or continue, with joins and several ends."""

from typing import Any

import pytest

from app.broker.keys import ShardKeys
from app.model.task import CancelMode

from .conftest import Bench

pytestmark = pytest.mark.anyio


def diamond(*policies: str) -> list[dict[str, Any]]:
    """1 before 2 and 3, both before 4; the policies are those of 2 and 3."""
    left, right = policies
    return [
        {"step_id": 1, "agent": "retriever", "payload": "a", "depends_on": []},
        {"step_id": 2, "agent": "analyzer", "payload": "b", "depends_on": [1], "on_failure": left},
        {"step_id": 3, "agent": "analyzer", "payload": "c", "depends_on": [1], "on_failure": right},
        {"step_id": 4, "agent": "writer", "payload": "d", "depends_on": [2, 3]},
    ]


async def test_continue_runs_the_join_without_the_missing_output(bench: Bench) -> None:
    """The join waits for both, runs with one result, and the task is completed in part."""
    task_id = await bench.submit(diamond("continue", "fail"))
    await bench.finish(task_id, 1)
    await bench.fail(task_id, 2)
    assert await bench.statuses(task_id) == ["completed", "failed", "queued", "waiting"]
    await bench.finish(task_id, 3)
    attempt = await bench.start(task_id, 4)
    assert set(await bench.reader.results(task_id, attempt.depends_on)) == {3}
    await bench.store.complete(attempt, b"{}", "")

    ended = (await bench.events(task_id))[-1]
    assert (ended.type, ended.data["partial"]) == ("task.completed", True)


async def test_skip_leaves_out_all_that_depends_on_the_step(bench: Bench) -> None:
    """The join is skipped with its cause; its sibling still ends, and no last step was reached: a failure."""
    task_id = await bench.submit(diamond("skip", "fail"))
    await bench.finish(task_id, 1)
    await bench.fail(task_id, 2, code="first")
    assert await bench.statuses(task_id) == ["completed", "failed", "queued", "skipped"]
    await bench.finish(task_id, 3)

    events = await bench.events(task_id)
    skipped = next(event for event in events if event.type == "step.skipped")
    assert (skipped.step_id, skipped.data["caused_by"]) == (4, 2)
    assert (events[-1].type, events[-1].data["failed_step"]) == ("task.failed", 2)
    assert events[-1].data["error"]["code"] == "first"


async def test_one_last_step_of_two_makes_a_partial_success(bench: Bench) -> None:
    """Independent branches: one is skipped behind its failure, the other completes."""
    plan = [
        {"step_id": 1, "agent": "retriever", "payload": "a", "depends_on": [], "on_failure": "skip"},
        {"step_id": 2, "agent": "retriever", "payload": "b", "depends_on": []},
        {"step_id": 3, "agent": "writer", "payload": "c", "depends_on": [1]},
        {"step_id": 4, "agent": "writer", "payload": "d", "depends_on": [2]},
        {"step_id": 5, "agent": "writer", "payload": "e", "depends_on": [3]},
    ]
    task_id = await bench.submit(plan)
    await bench.fail(task_id, 1)
    assert await bench.statuses(task_id) == ["failed", "queued", "skipped", "waiting", "skipped"]
    await bench.finish(task_id, 2)
    await bench.finish(task_id, 4)

    ended = (await bench.events(task_id))[-1]
    assert (ended.type, ended.data["partial"]) == ("task.completed", True)


@pytest.mark.parametrize("policy", ["skip", "continue"])
async def test_a_task_none_of_whose_last_steps_completed_has_failed(bench: Bench, policy: str) -> None:
    """Whatever the policy says, a task without any result is no success; the step lies with the dead letters."""
    plan = [{"step_id": 1, "agent": "retriever", "payload": "a", "on_failure": policy}]
    task_id = await bench.submit(plan)
    await bench.fail(task_id, 1)

    assert await bench.status(task_id) == "failed"
    assert await bench.redis.zcard(ShardKeys(bench.keys.tag).queue("retriever").dlq) == 1


@pytest.mark.parametrize(("first", "join"), [("continue", "queued"), ("skip", "skipped")])
async def test_both_branches_may_fail(bench: Bench, first: str, join: str) -> None:
    """Two tolerated failures before a join: it runs with nothing, or is skipped once."""
    task_id = await bench.submit(diamond(first, "continue"))
    await bench.finish(task_id, 1)
    await bench.fail(task_id, 2)
    await bench.fail(task_id, 3)

    assert (await bench.statuses(task_id))[3] == join
    assert await bench.status(task_id) == ("running" if join == "queued" else "failed")


async def test_the_failure_that_ends_a_task_is_its_error(bench: Bench) -> None:
    """Not the tolerated one that came before it."""
    task_id = await bench.submit(diamond("continue", "fail"))
    await bench.finish(task_id, 1)
    await bench.fail(task_id, 2, code="tolerated")
    await bench.fail(task_id, 3, code="fatal")

    view = await bench.reader.view(task_id)
    ended = (await bench.events(task_id))[-1]
    assert (ended.type, ended.data["failed_step"], ended.data["error"]["code"]) == ("task.failed", 3, "fatal")
    assert view.error == ended.data["error"]


async def test_poison_follows_the_policy_of_its_step(bench: Bench) -> None:
    """A step that kills its workers is given up like any other failure."""
    task_id = await bench.submit(diamond("continue", "fail"))
    await bench.finish(task_id, 1)
    await bench.finish(task_id, 3)
    ref = await bench.ref(task_id, 2)
    for _ in range(3):
        await bench.start(task_id, 2)

    assert await bench.store.start(ref, worker="w4") is None

    assert await bench.statuses(task_id) == ["completed", "failed", "completed", "queued"]


async def test_a_partial_task_may_still_be_told_to_finish(bench: Bench) -> None:
    """A tolerated failure, then an early end of gathering: completed, in part."""
    plan = diamond("continue", "continue")
    plan[2]["agent"] = "retriever"
    task_id = await bench.submit(plan)
    await bench.finish(task_id, 1)
    await bench.fail(task_id, 2)
    await bench.tasks.cancel(task_id, CancelMode.FINISH, by="x", reason=None)

    assert await bench.statuses(task_id) == ["completed", "failed", "skipped", "queued"]
    await bench.finish(task_id, 4)
    assert await bench.status(task_id) == "completed"
