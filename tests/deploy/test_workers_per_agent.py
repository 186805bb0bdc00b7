"""As the files in deploy/ start them: a worker for each agent, none of which takes a step of another."""

from pathlib import Path

import httpx2
import pytest

from tests.deploy.resolving import agents
from tests.deployment import REPLY_TIMEOUT_S, running, wait_for

pytestmark = pytest.mark.full

DOCUMENTS = [{"name": "a.md", "text": "A keeps its jobs in memory. The risk of A is that a crash loses them."}]


def test_each_step_runs_at_the_worker_of_its_agent(redis_url: str, tmp_path: Path) -> None:
    """A chain is handed on in one act only where the worker reads the next queue as well."""
    with running(tmp_path, redis_url) as stack:
        for agent in agents():
            stack.worker("--queues", agent.queue)
            wait_for(lambda queue=agent.queue: [queue] in workers(stack.url).values(), "it did not report itself")  # type: ignore[misc]
        served = workers(stack.url)
        reply = httpx2.post(
            f"{stack.url}/run-task", headers={"Prefer": "wait=60"}, timeout=90,
            json={"task": "Which risks does A have?", "inputs": {"documents": DOCUMENTS}},
        )  # fmt: skip
        assert (reply.status_code, reply.json()["status"]) == (200, "completed"), reply.text
        events = stack.get(f"/tasks/{reply.json()['task_id']}/events")["events"]
        started = [(event["agent"], *served[event["worker"]]) for event in events if event["type"] == "step.started"]

    assert {agent for agent, _ in started} == {agent.name for agent in agents()}
    assert [(agent, at) for agent, at in started if agent != at] == []


def workers(url: str) -> dict[str, list[str]]:
    """The queues of each worker that lives, by its id."""
    return {
        each["worker_id"]: each["queues"]
        for each in httpx2.get(f"{url}/workers", timeout=REPLY_TIMEOUT_S).json()
        if each["alive"]
    }
