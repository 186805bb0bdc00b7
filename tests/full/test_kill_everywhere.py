"""kill -9 of the only worker after each event of a task in turn: every one of these tasks completes."""

import pytest

from tests.e2e.conftest import Stack, bare_stack
from tests.e2e.test_stream import read, stream
from tests.e2e.test_workers import assert_sound

__all__ = ["bare_stack"]

pytestmark = pytest.mark.full

SLOW_LINE = [
    {"step_id": 1, "agent": "pausing", "payload": "a"},
    {"step_id": 2, "agent": "pausing", "payload": "b", "depends_on": [1]},
    {"step_id": 3, "agent": "pausing", "payload": "c", "depends_on": [2]},
]
EVENTS_MAX = 40


def test_a_worker_may_die_after_any_event(bare_stack: Stack) -> None:
    """For n = 1, 2, 3 …: the worker is killed when event n arrives, a new one starts, the log is sound."""
    stack = bare_stack
    stack.api()
    for n in range(1, EVENTS_MAX):
        worker = stack.worker()
        task_id = stack.submit(SLOW_LINE)
        with stream(stack, task_id) as events:
            reached = [event for (_, event), _ in zip(events, range(n), strict=False)]
        stack.kill(worker)
        if reached[-1].terminal:
            break
        stack.worker()
        events_seen = [event for _, event in read(stack, task_id)]
        stack.stop_workers()
        assert_sound(events_seen, steps=3)
        assert sum(event.type == "step.redelivered" for event in events_seen) <= 1, n
    assert n > 12
