"""
What must hold whatever a test did: sound logs, no key left behind, nothing for the audit to repair.

`Bench` is left through `check_all`: it ends what is still open, looks at every log, lets the audit walk, deletes
every task and looks for keys that outlive them.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from app.broker.keys import ShardKeys
from app.dispatch.counters import Counters
from app.model.events import TERMINAL_TYPES, Event
from app.model.task import CancelMode, TaskStatus

#: What ends an attempt; one whose worker died has none of them.
ENDS = frozenset(
    {
        "step.completed", "step.failed", "step.retry_scheduled", "step.deferred", "step.released", "step.cancelled",
    }
)  # fmt: skip
SETTLED = frozenset({"completed", "failed", "skipped", "cancelled"})


def assert_sound(events: Sequence[Event]) -> None:
    """A log is gapless, its terminal events are where they may be, and every attempt has one beginning and end."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for event, following in itertools.pairwise(events):
        assert event.type not in TERMINAL_TYPES or following.type == "task.retried", (event, following)
    _assert_pauses(events)
    for step_id in {event.step_id for event in events if event.step_id is not None}:
        _assert_attempts([event for event in events if event.step_id == step_id])


def _assert_pauses(events: Sequence[Event]) -> None:
    """A pause is followed by its end before anything starts."""
    paused = False
    for event in events:
        if event.type == "task.paused":
            assert not paused
            paused = True
        elif event.type == "task.resumed":
            assert paused
            paused = False
        elif event.type in TERMINAL_TYPES or event.type == "task.cancel_requested":
            paused = paused and event.data.get("mode") == "finish"
        assert not (paused and event.type == "step.started"), event


def _assert_attempts(events: Sequence[Event]) -> None:
    """One step's events: queued before started, started before ended, numbers that only grow."""
    open_attempt, last, queued = 0, 0, False
    for place, event in enumerate(events):
        if event.type == "step.queued":
            queued = True
            assert not open_attempt, event
        elif event.type == "step.started":
            assert queued, event
            assert event.attempt == last + 1, event
            if open_attempt:
                assert events[place + 1].type == "step.redelivered", event
            open_attempt = last = event.attempt
        elif event.type in ENDS and event.attempt:
            assert event.attempt == open_attempt, event
            open_attempt = 0
        elif event.type in ("step.held", "step.skipped"):
            assert not open_attempt, event


async def check_all(bench: Any) -> None:
    """See the module. A test that damages keys on purpose sets `bench.damaged`."""
    if bench.damaged:
        return
    ids = [key.decode().rpartition(":")[2] async for key in bench.redis.scan_iter(match=f"{bench.keys.tag}:t:*")]
    await _audit(bench)
    for task_id in ids:
        await bench.tasks.cancel(task_id, CancelMode.FORCE, by="checker", reason=None)
    for task_id in ids:
        events = await bench.events(task_id)
        assert_sound(events)
        assert events[-1].type in TERMINAL_TYPES
        await _assert_folds(bench, task_id, events)
    await assert_counted(bench, ids)
    await assert_keys_expire(bench)
    for task_id in ids:
        await bench.tasks.delete(task_id)
    assert await lasting_keys(bench) - await _queue_keys(bench) <= bench.keys.permanent


async def _audit(bench: Any) -> None:
    """Two rounds find nothing to repair."""
    for _ in range(2):
        await bench.redis.delete(f"{bench.keys.audit}:lock")
        audited = await bench.tasks.audit()
        assert audited is not None
        assert audited.repaired == 0
    assert await bench.redis.hget(bench.keys.audit, "repaired") in (None, b"0")


async def _assert_folds(bench: Any, task_id: str, events: Sequence[Event]) -> None:
    """State and log tell the same story: the status, the steps, what is left."""
    view = await bench.reader.view(task_id)
    assert f"task.{view.status}" == events[-1].type
    assert view.last_seq == len(events)
    assert int(await bench.redis.hget(bench.keys.task(task_id), "left")) == 0
    completed = {event.step_id for event in events if event.type == "step.completed"}
    for step in view.steps:
        assert step.status in SETTLED
        assert step.status != "completed" or step.step_id in completed
    assert view.status is not TaskStatus.FAILED or view.error == events[-1].data["error"]


async def assert_counted(bench: Any, ids: Iterable[str]) -> None:
    """The counters are the logs, event by event; of tasks that were deleted they still tell."""
    logs = [await bench.events(task_id) for task_id in ids]
    written = Counter((event.type, event.agent or "") for events in logs for event in events)
    counted = Counter(Counters.read(await bench.redis.hgetall(bench.keys.totals)).events)
    deleted = counted["task.submitted", ""] - written["task.submitted", ""]
    assert counted == written or (deleted > 0 and counted > written), counted - written or written - counted


async def assert_keys_expire(bench: Any) -> None:
    """While ended tasks are kept, every key has a TTL but those that may outlive tasks, and what workers drain."""
    for name in await lasting_keys(bench) - await _queue_keys(bench):
        assert bench.keys.outlives_tasks(name), name


async def lasting_keys(bench: Any) -> set[str]:
    """The keys that will never expire by themselves."""
    names = [key async for key in bench.redis.scan_iter(match=f"{bench.keys.tag}:*", count=1000)]
    pipeline = bench.redis.pipeline(transaction=False)
    for name in names:
        pipeline.pttl(name)
    return {name.decode() for name, ttl in zip(names, await pipeline.execute(), strict=True) if ttl == -1}


async def _queue_keys(bench: Any) -> set[str]:
    """Streams that workers drain, dead letters, and the names of the queues; never delayed messages."""
    shard = ShardKeys(bench.keys.tag)
    tag = bench.keys.tag
    return {
        name
        for name in await lasting_keys(bench)
        if name in (shard.queues, f"{tag}:depth") or name.startswith((f"{tag}:q:", f"{tag}:dlq:"))
    }


async def letters(bench: Any, queue: str) -> set[str]:
    """Ids of the dead letters, their bodies and their reasons being there or gone with them."""
    names = ShardKeys(bench.keys.tag).queue(queue)
    members = {member.decode() for member in await bench.redis.zrange(names.dlq, 0, -1)}
    assert {key.decode() for key in await bench.redis.hkeys(names.dlq_bodies)} == members
    assert {key.decode() for key in await bench.redis.hkeys(names.dlq_meta)} == members
    return members
