"""What an agent sees of the world while it runs one step."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.model.agents import StepOutput
from app.model.events import CitationsVerified, EventData, OutputDelta, Passage, SourceFound, StepProgress
from app.model.task import Document, TaskInputs

Emit = Callable[[EventData], Awaitable[None]]
LoadDocuments = Callable[[], Awaitable[list[Document]]]


def artifact_name(agent: str, step_id: int) -> str:
    return f"{agent}-{step_id}.md"


async def _no_documents() -> list[Document]:
    return []


@dataclass(slots=True)
class StepContext:
    """
    The step an agent runs, what it may read, and how it reports.

    Nothing here can enqueue, change the plan or see another task. The reporting methods return as soon
    as the event is buffered; an attempt that is no longer the current one reports into the void.

    `inputs` holds the outputs of the steps this one depends on, by step id. `idempotency_key` stays the
    same when the step is run again after a crash: hand it to services that deduplicate.
    """

    task_id: str
    task: str
    step_id: int
    agent: str
    attempt: int
    idempotency_key: str
    inputs: dict[int, StepOutput]
    emit: Emit
    task_inputs: TaskInputs = field(default_factory=TaskInputs)
    documents: LoadDocuments = _no_documents
    collections: dict[str, Path] = field(default_factory=dict)
    cache_dir: Path = Path(".stepstream/cache")
    _written: int = 0

    async def progress(self, current: int, total: int | None = None, message: str = "") -> None:
        """Says how far the step has come, in units of the agent's choice."""
        await self.emit(StepProgress(current=current, total=total, message=message))

    async def source(self, *, pid: str, title: str, uri: str, score: float) -> None:
        """Reports a passage that was found."""
        await self.emit(SourceFound(passage=Passage(pid=pid, title=title, uri=uri, score=score)))

    @property
    def artifact(self) -> str:
        """The name of the text this step writes, in `output.delta` and `artifact.completed` alike."""
        return artifact_name(self.agent, self.step_id)

    async def delta(self, text: str) -> None:
        """Streams the next piece of the step's text."""
        offset, self._written = self._written, self._written + len(text)
        await self.emit(OutputDelta(artifact=self.artifact, offset=offset, text=text))

    async def citations(self, *, total: int, ok: int, repaired: int, dropped: int) -> None:
        """Reports the outcome of checking a report's citations."""
        await self.emit(CitationsVerified(total=total, ok=ok, repaired=repaired, dropped=dropped))

    def outputs(self) -> list[tuple[int, Any]]:
        """The `data` of the dependencies in step order."""
        return [(step_id, self.inputs[step_id].data) for step_id in sorted(self.inputs)]
