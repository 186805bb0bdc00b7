"""Workers that are asked to end: nothing is lost, no step pays for it, and they end in time."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.client import Client
from app.local_redis import LocalServer
from app.model.events import Event
from tests.deployment import EXIT_TIMEOUT_S, LASTING_LEASE, REPLY_TIMEOUT_S, Stack, deployment, running, wait_for
from tests.e2e.conftest import own_redis

pytestmark = pytest.mark.full

__all__ = ["own_redis"]

AGENTS = "tests.e2e.agents,tests.full.drain_agents"
Process = "subprocess.Popen[bytes]"

#: Steps side by side in one message, a chain that is handed on, a thread, and one that is tried again.
MIXED: list[dict[str, Any]] = [
    *({"step_id": n, "agent": "pausing", "payload": "a", "depends_on": []} for n in range(1, 7)),
    *({"step_id": n, "agent": "noop", "payload": "b", "depends_on": [n - 1]} for n in range(7, 13)),
    {"step_id": 13, "agent": "working", "payload": "c", "depends_on": [1]},
    {"step_id": 14, "agent": "flaky", "payload": "d", "depends_on": [2]},
    {"step_id": 15, "agent": "working", "payload": "e", "depends_on": [12, 13, 14]},
]


@pytest.fixture(scope="module")
def shared(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API whose workers come and go."""
    settings = {"STEPSTREAM_AGENT_MODULES": AGENTS, "STEPSTREAM_SHUTDOWN_GRACE_MS": "1000", **LASTING_LEASE}
    with running(tmp_path_factory.mktemp("drain"), redis_url, **settings) as stack:
        yield stack


@pytest.fixture
def stack(shared: Stack) -> Iterator[Stack]:
    """The same, without a worker of the test before, and with a gate and a ledger of its own."""
    grace_ms = shared.environment["STEPSTREAM_SHUTDOWN_GRACE_MS"]
    yield shared
    shared.stop_workers()
    shared.environment["STEPSTREAM_SHUTDOWN_GRACE_MS"] = grace_ms
    for name in ("ledger", "gate"):
        (shared.folder / name).unlink(missing_ok=True)


def gated(stack: Stack) -> str:
    """A task whose only step runs until the gate is opened, and has begun."""
    before = len(stack.ledger)
    task_id = stack.submit([{"step_id": 1, "agent": "gated", "payload": "gate"}])
    wait_for(lambda: len(stack.ledger) > before, "the step did not begin")
    return task_id


def open_gate(stack: Stack) -> None:
    (stack.folder / "gate").touch()


def ended(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code, once it has ended by itself."""
    return process.wait(timeout=EXIT_TIMEOUT_S)


def first_step(stack: Stack, task_id: str) -> tuple[int, int, int]:
    """Attempts, failures and crashes of a task's first step."""
    step = stack.get(f"/tasks/{task_id}")["steps"][0]
    return step["attempts"], step["failures"], step["crashes"]


def log_of(stack: Stack, task_id: str) -> list[Event]:
    """All events of a task, once it is over, each number once."""
    with Client(stack.url) as client:
        client.wait(task_id, timeout_s=300)
        events = list(client.events(task_id))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event for event in events if event.terminal] == events[-1:]
    return events


def test_workers_that_end_under_load_lose_nothing(stack: Stack) -> None:
    """Again and again, in the middle of everything: steps are handed back, and none of them has failed or crashed."""
    task_ids = [stack.submit(MIXED, labels={"n": str(n)}) for n in range(12)]
    paused = stack.submit(
        [{"step_id": 1, "agent": "gated", "payload": "gate"}, {"step_id": 2, "agent": "noop", "payload": "x"}]
    )
    cancelled = stack.submit([{"step_id": 1, "agent": "gated", "payload": "gate"}])
    for turn in range(2):
        worker = stack.worker("--processes", "2", "--threads", "3")
        if turn == 0:
            wait_for(lambda: len(stack.ledger) >= 2, "the gated steps did not begin")
            httpx2.post(f"{stack.url}/tasks/{paused}/pause", timeout=REPLY_TIMEOUT_S).raise_for_status()
            finish = {"json": {"mode": "finish"}, "timeout": REPLY_TIMEOUT_S}
            httpx2.post(f"{stack.url}/tasks/{cancelled}/cancel", **finish).raise_for_status()
        worker.send_signal(signal.SIGTERM)
        assert ended(worker) == 0
    assert stack.get(f"/tasks/{paused}")["status"] == "paused"
    open_gate(stack)
    httpx2.post(f"{stack.url}/tasks/{paused}/resume", timeout=REPLY_TIMEOUT_S).raise_for_status()
    stack.worker()

    logs = {task_id: log_of(stack, task_id) for task_id in [*task_ids, paused, cancelled]}
    types = [event.type for log in logs.values() for event in log]
    assert types.count("step.released") >= 2
    assert types.count("step.redelivered") == types.count("step.failed") == 0
    assert types.count("step.retry_scheduled") == len(task_ids)
    for task_id in task_ids:
        view = stack.get(f"/tasks/{task_id}")
        assert view["status"] == "completed"
        assert [step["crashes"] for step in view["steps"]] == [0] * len(MIXED)
        assert sum(step["failures"] for step in view["steps"]) == 1
    assert "\nstepstream_repaired_total 0.0\n" in httpx2.get(f"{stack.url}/metrics", timeout=REPLY_TIMEOUT_S).text


def test_agents_that_cannot_be_stopped_keep_no_worker(stack: Stack) -> None:
    """One holds the loop, one swallows the interruption, one sits in a thread: all are handed back, at no cost."""
    task_ids = []
    worker = stack.worker()
    for agent in ("threaded", "deaf", "spinning"):
        task_ids.append(stack.submit([{"step_id": 1, "agent": agent, "payload": "x"}]))
        wait_for(lambda: len(stack.ledger) == len(task_ids), "the step did not begin")

    worker.send_signal(signal.SIGTERM)
    assert ended(worker) == 0
    assert [first_step(stack, task_id) for task_id in task_ids] == [(1, 0, 0)] * 3
    stack.worker()

    for task_id in task_ids:
        assert [event.type for event in log_of(stack, task_id)][-3:] == [
            "step.started",
            "step.completed",
            "task.completed",
        ]
        assert first_step(stack, task_id) == (2, 0, 0)


@pytest.mark.parametrize("to", ["group", "interrupt"])
def test_a_step_may_finish_within_the_grace(stack: Stack, to: str) -> None:
    """However the wish is sent: a service manager may tell all processes at once, a terminal sends SIGINT to all."""
    # Longer than what Dramatiq would wait.
    stack.environment["STEPSTREAM_SHUTDOWN_GRACE_MS"] = "60000"
    worker = stack.worker("--worker-shutdown-timeout", "200")
    task_id = gated(stack)

    os.killpg(worker.pid, signal.SIGTERM if to == "group" else signal.SIGINT)
    wait_for(lambda: b"worker_draining" in log_text(worker, stack), "it does not end")
    # Past Dramatiq's own limit.
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=1)
    open_gate(stack)

    assert ended(worker) == 0
    assert [event.type for event in log_of(stack, task_id)][-2:] == ["step.completed", "task.completed"]
    assert first_step(stack, task_id) == (1, 0, 0)


def log_text(worker: "subprocess.Popen[bytes]", stack: Stack) -> bytes:
    return (stack.folder / f"worker-{stack.processes.index(worker)}.log").read_bytes()


def test_a_second_signal_hurries(stack: Stack) -> None:
    """The grace is over at once: what runs is handed back, and costs nothing."""
    stack.environment["STEPSTREAM_SHUTDOWN_GRACE_MS"] = "600000"
    worker = stack.worker()
    task_id = gated(stack)
    worker.send_signal(signal.SIGTERM)
    wait_for(lambda: b"Stopping worker process..." in log_text(worker, stack), "it does not end")
    wait_for(lambda: asked_again(worker, stack), "the second signal was not heard")

    assert ended(worker) == 0
    assert first_step(stack, task_id) == (1, 0, 0)
    open_gate(stack)
    stack.worker()
    assert "step.released" in [event.type for event in log_of(stack, task_id)]
    assert first_step(stack, task_id) == (2, 0, 0)


def asked_again(worker: "subprocess.Popen[bytes]", stack: Stack) -> bool:
    """Two within a second count as one."""
    if b"shutdown_hurried" not in log_text(worker, stack):
        worker.send_signal(signal.SIGTERM)
    return b"shutdown_hurried" in log_text(worker, stack)


def test_a_reload_replaces_the_workers(stack: Stack) -> None:
    """SIGHUP: the old ones hand back, new ones begin under the same main process."""
    worker = stack.worker()
    task_id = gated(stack)

    worker.send_signal(signal.SIGHUP)
    wait_for(lambda: len(stack.ledger) == 2, "nobody began again")
    open_gate(stack)

    assert [event.type for event in log_of(stack, task_id)].count("step.released") == 1
    assert first_step(stack, task_id) == (2, 0, 0)
    assert worker.poll() is None


def test_a_worker_that_is_ended_while_it_starts_harms_nothing(stack: Stack) -> None:
    """SIGTERM at any moment of its start, with work waiting."""
    task_ids = [stack.submit(MIXED) for _ in range(4)]
    for delay_s in (0.4, 1.0):
        worker = stack._start("dramatiq", "actors", "--processes", "1", "--threads", "4")
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(timeout=delay_s)
        worker.send_signal(signal.SIGTERM)
        ended(worker)
    stack.worker()

    types = [event.type for task_id in task_ids for event in log_of(stack, task_id)]
    assert types.count("task.completed") == len(task_ids)
    assert types.count("step.redelivered") == 0


def test_a_worker_ends_without_redis(
    redis_url: str, namespace: str, tmp_path: Path, own_redis: Callable[[], LocalServer]
) -> None:
    """Redis takes every question and answers none: what is held lapses, and is done once Redis is there again."""
    server = own_redis()
    assert server.process
    stack = deployment(tmp_path, server.url, namespace, STEPSTREAM_AGENT_MODULES=AGENTS)
    stack.api()
    worker = stack.worker()
    task_ids = [gated(stack), *(stack.submit(MIXED) for _ in range(3))]

    server.process.send_signal(signal.SIGSTOP)
    worker.send_signal(signal.SIGTERM)
    ended(worker)
    said = log_text(worker, stack)
    assert b"attempt_not_handed_back" in said
    assert b"agents_do_not_stop" not in said, "they did: it is Redis that keeps them"
    server.process.send_signal(signal.SIGCONT)
    open_gate(stack)
    stack.worker()

    logs = [log_of(stack, task_id) for task_id in task_ids]
    assert [log[-1].type for log in logs] == ["task.completed"] * len(task_ids)
    stack.stop()
