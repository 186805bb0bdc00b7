"""kill -9 of the only worker after each event of a task in turn: every one of these tasks completes."""

from typing import Any

import pytest

from tests.deployment import Stack
from tests.e2e.conftest import bare_stack
from tests.e2e.test_stream import read, stream
from tests.e2e.test_workers import assert_sound
from tests.integration.dispatch.checks import assert_sound as assert_sound_attempts

__all__ = ["bare_stack"]

pytestmark = pytest.mark.full

SLOW_LINE = [
    {"step_id": 1, "agent": "pausing", "payload": "a"},
    {"step_id": 2, "agent": "pausing", "payload": "b", "depends_on": [1]},
    {"step_id": 3, "agent": "pausing", "payload": "c", "depends_on": [2]},
]
SLOW_DIAMOND = [
    {"step_id": 1, "agent": "pausing", "payload": "a", "depends_on": []},
    {"step_id": 2, "agent": "pausing", "payload": "b", "depends_on": [1]},
    {"step_id": 3, "agent": "pausing", "payload": "c", "depends_on": [1]},
    {"step_id": 4, "agent": "pausing", "payload": "d", "depends_on": [2, 3]},
]
EVENTS_MAX = 60


@pytest.mark.parametrize(("plan", "at_once"), [(SLOW_LINE, 1), (SLOW_DIAMOND, 2)], ids=["line", "diamond"])
def test_a_worker_may_die_after_any_event(bare_stack: Stack, plan: list[dict[str, Any]], at_once: int) -> None:
    """For n = 1, 2, 3 …: the worker is killed when event n arrives, a new one starts, the log is sound."""
    stack = bare_stack
    stack.api()
    for n in range(1, EVENTS_MAX):
        worker = stack.worker()
        task_id = stack.submit(plan)
        with stream(stack, task_id) as events:
            reached = [event for (_, event), _ in zip(events, range(n), strict=False)]
        stack.kill(worker)
        if reached[-1].terminal:
            break
        stack.worker()
        events_seen = [event for _, event in read(stack, task_id)]
        stack.stop_workers()
        assert_sound(events_seen, steps=len(plan))
        assert_sound_attempts(events_seen)
        assert sum(event.type == "step.redelivered" for event in events_seen) <= at_once, n
    assert n > 4 * len(plan)
