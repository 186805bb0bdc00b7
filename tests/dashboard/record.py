"""
Writes the golden logs anew: `python -m tests.dashboard.record` runs tasks on a real system and keeps their events.

Each is a story that a fold has to understand. What differs from machine to machine, the names of workers, is replaced.
"""

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx2

from app import local_redis
from tests.deployment import Stack, deployment, wait_for

GOLDEN = Path(__file__).parent / "golden"
DOCUMENTS = [
    {
        "name": "redis.md",
        "text": "# Redis\n\nRedis retries a command once when the connection is lost.\n",
    },
    {"name": "dramatiq.md", "text": "# Dramatiq\n\nDramatiq retries a failed actor with exponential backoff.\n"},
]
WORKER = re.compile(r'"((?:from_|to_)?worker)":"[^"]*:([0-9a-f]+)"')


def steps(*agents: str, **payloads: str) -> list[dict[str, object]]:
    """A line of steps of these agents."""
    return [
        {"step_id": n, "agent": agent, "payload": payloads.get(agent, "x"), "depends_on": [n - 1] if n > 1 else []}
        for n, agent in enumerate(agents, 1)
    ]


def ended(stack: Stack, task_id: str) -> str:
    """Waits for the end of a task."""
    states = ("completed", "failed", "cancelled", "expired")
    wait_for(lambda: stack.get(f"/tasks/{task_id}")["status"] in states, "the task did not end")
    return task_id


def steer(stack: Stack, task_id: str, verb: str, **body: object) -> dict[str, str]:
    reply = httpx2.post(f"{stack.url}/tasks/{task_id}/{verb}", json=body, timeout=60)
    assert reply.status_code == 202, reply.text
    found: dict[str, str] = reply.json()
    return found


def lines(stack: Stack, task_id: str) -> list[str]:
    """The log so far."""
    headers = {"Accept": "application/x-ndjson"}
    reply = httpx2.get(f"{stack.url}/stream/{task_id}?follow=false", headers=headers, timeout=60)
    return [line for line in reply.text.splitlines() if '"seq"' in line]


def running(stack: Stack, task_id: str) -> None:
    wait_for(lambda: "step.progress" in kinds(stack, task_id), "no step has begun")


def kinds(stack: Stack, task_id: str) -> str:
    return "\n".join(lines(stack, task_id))


def research(stack: Stack) -> str:
    """Question to report, with the agents that are built in."""
    task = "Compare how redis and dramatiq handle retries"
    return ended(stack, stack.submit(task=task, inputs={"documents": DOCUMENTS}, labels={"team": "search"}))


def retries(stack: Stack) -> str:
    """A step that fails twice, one whose provider asks for patience, one that writes."""
    return ended(stack, stack.submit(steps("flaky", "limited", "scribe")))


def growth(stack: Stack) -> str:
    """A step that adds steps, and one that then waits for them as well."""
    return ended(stack, stack.submit(steps("grower", "noop")))


def retried(stack: Stack) -> str:
    """A failure for good, and the same task again in its own log."""
    task_id = ended(stack, stack.submit(steps("noop", "hopeless", "noop", hopeless="hope")))
    (stack.folder / "hope").touch()
    steer(stack, task_id, "retry")
    return ended(stack, task_id)


def forked(stack: Stack) -> str:
    """A task that takes over results of another."""
    task_id = ended(stack, stack.submit(steps("noop", "flaky", "noop")))
    return ended(stack, steer(stack, task_id, "fork", from_step=3)["task_id"])


def cancelled(stack: Stack) -> str:
    """Ended early while a step runs."""
    task_id = stack.submit(steps("gated", "noop", gated="never"))
    running(stack, task_id)
    steer(stack, task_id, "cancel", mode="graceful", reason="enough of it")
    return ended(stack, task_id)


def paused(stack: Stack) -> str:
    """Held while a step runs, and resumed."""
    task_id = stack.submit(steps("gated", "noop", gated="go"))
    running(stack, task_id)
    steer(stack, task_id, "pause", reason="new quota")
    (stack.folder / "go").touch()
    wait_for(lambda: "step.held" in kinds(stack, task_id), "nothing was held")
    steer(stack, task_id, "resume")
    return ended(stack, task_id)


def expired(stack: Stack) -> str:
    """A deadline that passes."""
    return ended(stack, stack.submit(steps("gated", "noop", gated="never"), deadline="PT1S"))


def redelivered(stack: Stack) -> str:
    """A worker that dies in the middle; another one goes on."""
    task_id = stack.submit(steps("gated", "noop", gated="later"))
    running(stack, task_id)
    stack.stop_workers()
    stack.worker()
    wait_for(lambda: "step.redelivered" in kinds(stack, task_id), "nobody took the step over")
    (stack.folder / "later").touch()
    return ended(stack, task_id)


STORIES: tuple[Callable[[Stack], str], ...] = (
    research, retries, growth, retried, forked, cancelled, paused, expired, redelivered,
)  # fmt: skip


def record(stack: Stack) -> None:
    for story in STORIES:
        task_id = story(stack)
        text = WORKER.sub(r'"\1":"host:1:\2"', "\n".join(lines(stack, task_id)) + "\n")
        (GOLDEN / f"{story.__name__}.ndjson").write_text(text)


def main() -> None:
    binary = local_redis.find_binary()
    assert binary is not None
    GOLDEN.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="record-"))
    server = local_redis.start_server(binary, folder / "redis", appendonly=False)
    stack = deployment(folder, server.url, "record")
    stack.environment["STEPSTREAM_AGENT_MODULES"] = "tests.dashboard.agents"
    try:
        stack.api()
        stack.worker()
        record(stack)
    finally:
        stack.stop()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
