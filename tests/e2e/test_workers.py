"""Workers that die, stop, are missing, or serve one queue only."""

import signal

import orjson
import pytest
import redis

from app.model.events import Event
from tests.deployment import EXIT_TIMEOUT_S, LINE, Stack, wait_for

from .test_stream import read

GATED = [
    {"step_id": 1, "agent": "noop", "payload": "a"},
    {"step_id": 2, "agent": "gated", "payload": "gate", "depends_on": [1]},
    {"step_id": 3, "agent": "noop", "payload": "c", "depends_on": [2]},
]


def assert_sound(events: list[Event], steps: int) -> None:
    """One effective result per step, no gap, one terminal event and it is the last."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    completed = [event.step_id for event in events if event.type == "step.completed"]
    assert sorted(completed) == list(range(1, steps + 1))
    assert [event.type for event in events if event.terminal] == ["task.completed"]
    assert events[-1].terminal


def test_a_killed_workers_step_is_finished_by_another(bare_stack: Stack) -> None:
    """kill -9 of the only worker in the middle of a step: a new one takes it over and the task completes."""
    stack = bare_stack
    stack.api()
    first = stack.worker()
    task_id = stack.submit(GATED)
    wait_for(lambda: ["began", "2", "1"] in [line[:3] for line in stack.ledger], "the step did not begin")
    wait_for(lambda: [worker["running"] for worker in stack.get("/workers")] != [[]], "the step was not reported")
    (worker,) = stack.get("/workers")

    stack.kill(first)
    stack.worker()
    wait_for(lambda: ["began", "2", "2"] in [line[:3] for line in stack.ledger], "nobody took the step over")
    (stack.folder / "gate").touch()
    events = [event for _, event in read(stack, task_id)]

    assert_sound(events, steps=3)
    redelivered = [event for event in events if event.type == "step.redelivered"]
    assert [(event.step_id, event.attempt) for event in redelivered] == [(2, 2)]
    assert [line[:3] for line in stack.ledger if line[0] == "ended"] == [["ended", "2", "2"]]
    assert stack.get(f"/tasks/{task_id}")["steps"][1]["crashes"] == 1
    assert (worker["alive"], worker["in_flight"], worker["threads"]) == (True, 1, 4)
    assert [(one["task_id"], one["step_id"], one["attempt"]) for one in worker["running"]] == [(task_id, 2, 1)]
    assert "gated" in worker["queues"]


@pytest.mark.full
def test_a_stopped_worker_hands_its_step_back(bare_stack: Stack) -> None:
    """SIGTERM: the running step is released within the grace, costs no failure, and another worker ends it."""
    stack = bare_stack
    stack.api()
    first = stack.worker()
    task_id = stack.submit(GATED)
    wait_for(lambda: stack.ledger, "the step did not begin")

    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=EXIT_TIMEOUT_S) == 0
    (stack.folder / "gate").touch()
    stack.worker()
    events = [event for _, event in read(stack, task_id)]

    assert_sound(events, steps=3)
    assert [event.type for event in events if event.type in ("step.released", "step.redelivered")] == ["step.released"]
    step = stack.get(f"/tasks/{task_id}")["steps"][1]
    assert (step["failures"], step["crashes"], step["attempts"]) == (0, 0, 2)


def test_tasks_wait_for_workers_that_start_later(bare_stack: Stack) -> None:
    """A task accepted with no worker alive runs as soon as one starts."""
    bare_stack.api()
    task_id = bare_stack.submit(LINE)

    bare_stack.worker("--processes", "2", "--threads", "2")

    assert_sound([event for _, event in read(bare_stack, task_id)], steps=3)


def test_a_worker_may_serve_one_queue_only(bare_stack: Stack) -> None:
    """`--queues noop` runs the first step and leaves the gated one to a worker that serves its queue."""
    stack = bare_stack
    stack.api()
    stack.worker("--queues", "noop")
    (stack.folder / "gate").touch()
    task_id = stack.submit(GATED)
    wait_for(lambda: stack.get(f"/tasks/{task_id}")["steps"][0]["status"] == "completed", "the first step did not end")
    assert stack.get(f"/tasks/{task_id}")["steps"][1]["status"] == "queued"

    stack.worker("--queues", "gated")

    assert_sound([event for _, event in read(stack, task_id)], steps=3)


def test_the_workers_tell_the_firehose(shared_stack: Stack, redis_client: "redis.Redis") -> None:
    """Start-up and settled batches of workers are on the firehose, beside the tasks' own events."""
    task_id = shared_stack.submit(LINE)
    read(shared_stack, task_id)
    key = f"{{{shared_stack.environment['STEPSTREAM_NAMESPACE']}:0}}:fire"

    def types() -> list[str]:
        lines = [line for _, fields in redis_client.xrange(key) for line in fields.get(b"e", b"").splitlines()]
        return [orjson.loads(line)["type"] for line in lines]

    wait_for(lambda: types().count("batch.settled") >= 1, "the batches were not reported")
    assert "worker.up" in types()
    assert task_id.encode() in {fields[b"t"] for _, fields in redis_client.xrange(key) if b"t" in fields}


@pytest.mark.full
def test_a_worker_whose_loop_has_died_ends(bare_stack: Stack) -> None:
    """A process that can run nothing any more does not go on taking work; the next worker finishes the task."""
    stack = bare_stack
    stack.api()
    worker = stack.worker()
    task_id = stack.submit([{"step_id": 1, "agent": "loopkiller", "payload": "x"}])

    assert worker.wait(timeout=EXIT_TIMEOUT_S) != 0
    stack.worker()

    assert_sound([event for _, event in read(stack, task_id)], steps=1)


@pytest.mark.full
def test_a_deadly_step_takes_no_neighbour_with_it(bare_stack: Stack) -> None:
    """After two deaths the steps of the batch run one after another: only the one that kills is given up."""
    stack = bare_stack
    stack.api()
    plan = [
        {
            "step_id": n,
            "agent": "mortal",
            "payload": "die" if n == 2 else "live",
            "depends_on": [],
            "on_failure": "continue",
        }
        for n in range(1, 5)
    ]
    task_id = stack.submit(plan)

    for _ in range(3):
        assert stack.worker().wait(timeout=EXIT_TIMEOUT_S) != 0
    stack.worker()
    read(stack, task_id)

    steps = stack.get(f"/tasks/{task_id}")["steps"]
    assert [step["status"] for step in steps] == ["completed", "failed", "completed", "completed"]
    assert steps[1]["error"]["code"] == "poison"
