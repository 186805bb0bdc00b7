"""The agents run in memory: real documents, a real index, a list for the events."""

import importlib.metadata
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import actors.analyzer
import actors.retriever
import actors.writer  # noqa: F401  # importing registers the agents
from app.dispatch.context import StepContext
from app.model.agents import StepOutput, registry
from app.model.events import EventData
from app.model.task import Document, TaskInputs

PACKAGES = (
    "anyio", "click", "dramatiq", "fakeredis", "fastapi", "h11", "hiredis", "httpcore2", "httpx2", "lupa", "orjson",
    "pathspec", "pydantic", "pydantic_core", "redis", "rich", "sse-starlette", "starlette", "structlog", "uvicorn",
)  # fmt: skip

Step = tuple[str, dict[str, Any] | str, list[int]]


@dataclass
class Bench:
    """Runs agents as the step runner would, one after another, and keeps what they emit."""

    cache_dir: Path
    events: list[EventData] = field(default_factory=list)
    outputs: dict[int, StepOutput] = field(default_factory=dict)

    def context(
        self, agent: str = "retriever", *, task: str = "", documents: list[Document] | None = None, **more: Any
    ) -> StepContext:
        async def emit(event: EventData) -> None:
            self.events.append(event)

        async def load() -> list[Document]:
            return documents or []

        inputs: dict[int, StepOutput] = more.pop("inputs", {})
        return StepContext(
            task_id="0-task", task=task, step_id=more.pop("step_id", 1), agent=agent, attempt=1, run=0,
            inputs=inputs, emit=emit, task_inputs=TaskInputs(collection=more.pop("collection", None)), documents=load,
            cache_dir=self.cache_dir, **more,
        )  # fmt: skip

    async def step(self, agent: str, payload: dict[str, Any] | str, ctx: StepContext) -> StepOutput:
        spec = registry[agent]
        run: Callable[[Any, Any], Awaitable[StepOutput]] = spec.run  # type: ignore[assignment]
        fields = payload if isinstance(payload, dict) else {"text": payload}
        return await run(spec.input_model(**fields), ctx)

    async def plan(self, task: str, documents: list[Document], steps: list[Step]) -> StepOutput:
        """Runs the steps, numbered from 1, in order; gives the last one's output."""
        for number, (agent, payload, depends_on) in enumerate(steps, start=1):
            inputs = {step_id: self.outputs[step_id] for step_id in depends_on}
            ctx = self.context(agent, task=task, documents=documents, inputs=inputs, step_id=number)
            self.outputs[number] = await self.step(agent, payload, ctx)
        return self.outputs[len(steps)]

    def emitted(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]


def comparison(subjects: list[str], topics: str, question: str) -> list[Step]:
    """One retriever and analyzer per subject, a merge, a writer: what the rule planner makes of a comparison."""
    count = len(subjects)
    steps: list[Step] = [("retriever", f"{subject} {topics}", []) for subject in subjects]
    steps += [("analyzer", f"How does {name} handle {topics}?", [at]) for at, name in enumerate(subjects, start=1)]
    merged = {"text": question, "subjects": subjects}
    steps.append(("analyzer", merged, list(range(count + 1, 2 * count + 1))))
    steps.append(("writer", merged, [2 * count + 1]))
    return steps


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache")


@pytest.fixture(scope="session")
def readmes() -> list[Document]:
    """The descriptions of installed packages: documents that nobody wrote for these tests."""
    return [Document(name=f"{name}.md", text=_description(name)) for name in PACKAGES]


def _description(name: str) -> str:
    metadata = importlib.metadata.metadata(name)
    # Old metadata has the description in a header, new metadata in the message's body.
    return str(metadata.get_payload() or metadata["Description"])  # type: ignore[attr-defined]


@pytest.fixture
def clean_registry() -> Iterator[None]:
    """Agents that a test registers are forgotten behind it."""
    before = dict(registry._specs)
    yield
    registry._specs.clear()
    registry._specs.update(before)
