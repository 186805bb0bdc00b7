"""The example of docs/agents.md as a reader would run it: files in a folder, a worker, the HTTP API."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.client import Client
from app.model.task import Document, TaskStatus
from tests.deployment import deployment
from tests.unit.agents.examples import write_examples

pytestmark = pytest.mark.full


def test_the_example_of_the_page_runs_in_a_real_worker(redis_url: str, namespace: str, tmp_path: Path) -> None:
    """Its module is found, listed with its schemas, refused a bad payload before it runs, and does its work."""
    files = write_examples(tmp_path)
    stack = deployment(tmp_path, redis_url, namespace)
    stack.environment |= {"STEPSTREAM_AGENT_MODULES": "longwords,checksum", "PYTHONPATH": str(tmp_path)}
    plan: list[dict[str, Any]] = json.loads(files["plan.json"].read_text())
    documents = [Document(name="a.md", text="to be or nothing at all")]
    try:
        stack.api()
        stack.worker()
        with Client(stack.url) as client:
            listed = {agent.name: agent for agent in client.agents()}
            hashed = client.submit(
                "Hash it", plan=[{**plan[0], "agent": "checksum", "payload": "go"}], documents=documents
            )
            task_id = client.submit("Which words are long?", plan=plan, documents=documents).task_id
            ended = client.wait(task_id, timeout_s=300)
            (output,) = client.result(task_id).outputs
            progress = [event.data for event in client.events(task_id) if event.type == "step.progress"]
            assert client.wait(hashed.task_id, timeout_s=300).status is TaskStatus.COMPLETED
    finally:
        stack.stop()

    assert ended.status is TaskStatus.COMPLETED
    assert output.data == {"words": ["nothing", "all"]}
    assert progress[0]["message"] == "reading"
    assert listed["longwords"].module == "longwords"
    assert listed["longwords"].input_schema["properties"]["top"]["maximum"] == 100
    assert (listed["longwords"].output_schema or {})["required"] == ["words"]
    assert not listed["checksum"].asynchronous
