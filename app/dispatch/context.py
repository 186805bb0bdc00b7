"""What an agent sees of the world while it runs one step."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.dispatch.agent_reports import Emit, Reports, SyncReports
from app.dispatch.memos import Memos
from app.dispatch.tools import Tool, unseen
from app.errors import Permanent
from app.model.agents import StepOutput
from app.model.llm import Llm
from app.model.output import OutputFormat
from app.model.task import Document, TaskInputs
from app.web.options import WebOptions

LoadDocuments = Callable[[], Awaitable[list[Document]]]
Model = TypeVar("Model", bound=BaseModel)

PROBLEMS_SHOWN_MAX = 5


async def _no_documents() -> list[Document]:
    return []


@dataclass(slots=True)
class StepContext(Reports):
    """
    The step an agent runs, what it may read, and how it reports.

    Nothing here can enqueue, change the plan or see another task. The reporting methods return as soon
    as the event is buffered; an attempt that is no longer the current one reports into the void. An agent
    written as `def` reports by `ctx.sync`, whose methods are the same without `await`.

    `inputs` holds the outputs of the steps this one depends on, by step id; `missing` names those that failed or
    were skipped, where the plan allows that. `idempotency_key` stays the same when the step is run again
    after a crash or a failure: hand it to services that deduplicate. `cancelled()` says that the step is no
    longer wanted: a coroutine is interrupted besides, a plain function has to ask. What an interrupted coroutine
    still awaits is interrupted too: cleaning up belongs into `with anyio.CancelScope(shield=True)`. `llm` is the
    language model of this installation, or `None` where none is configured.
    """

    task_id: str
    task: str
    step_id: int
    agent: str
    attempt: int
    #: How often a person asked for this step again.
    run: int
    inputs: dict[int, StepOutput]
    emit: Emit
    memos: Memos = field(default_factory=Memos.in_memory)
    timeout_s: float = float("inf")
    #: By the monotonic clock: when the attempt's own time, which begins with the agent, or its task's is over.
    deadline_s: float = float("inf")
    cancelled: Callable[[], bool] = lambda: False
    #: The steps this one waited for, in the plan's order.
    depends_on: tuple[int, ...] = ()
    task_inputs: TaskInputs = field(default_factory=TaskInputs)
    #: The form in which the task's document is wanted.
    output_format: OutputFormat = OutputFormat.MARKDOWN
    documents: LoadDocuments = _no_documents
    collections: dict[str, Path] = field(default_factory=dict)
    cache_dir: Path = Path(".stepstream/cache")
    #: How the web may be used by the tools that fetch.
    web: WebOptions = field(default_factory=WebOptions)
    llm: Llm | None = None
    #: `with ctx.tool("search"):` shows the block as a span of its own in the task's trace.
    tool: Tool = unseen
    #: When this attempt fails the step fails: an agent that has another way takes it now.
    last_attempt: bool = False

    @property
    def sync(self) -> SyncReports:
        """The reporting methods for an agent written as `def`."""
        return SyncReports(self)

    @property
    def idempotency_key(self) -> str:
        """Names this step of this task to services that deduplicate."""
        return hashlib.sha256(f"{self.task_id}:{self.step_id}:{self.run}".encode()).hexdigest()

    @property
    def remaining_s(self) -> float:
        """Time left for this attempt, seconds; never negative."""
        return max(0.0, self.deadline_s - time.monotonic())

    @property
    def missing(self) -> list[int]:
        """The steps this one waited for that left no output: they failed or were skipped."""
        return [step_id for step_id in self.depends_on if step_id not in self.inputs]

    def outputs(self) -> list[tuple[int, Any]]:
        """The `data` of the dependencies in step order."""
        return [(step_id, self.inputs[step_id].data) for step_id in sorted(self.inputs)]

    def inputs_as(self, model: type[Model]) -> dict[int, Model]:
        """
        The `data` of each dependency read into `model`, in step order.

        Raises `Permanent` when a dependency left something else: the plan joins steps that do not fit.
        """
        return {step_id: _read(step_id, data, model) for step_id, data in self.outputs()}


def _read(step_id: int, data: object, model: type[Model]) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        text = f"What step {step_id} left is no {model.__name__}: {problems_of(error)}"
        raise Permanent(text, code="bad_dependency") from error


def problems_of(error: ValidationError) -> str:
    """The first few of pydantic's findings in one line, without the values."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in found[:PROBLEMS_SHOWN_MAX]]
    more = len(found) - PROBLEMS_SHOWN_MAX
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
