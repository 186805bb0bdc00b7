"""One attempt inside a worker: the agent's input and context, the call, and what may come out of it."""

import math
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.dispatch import growth
from app.dispatch.attempt import Attempt, Fenced
from app.dispatch.context import LoadDocuments, StepContext
from app.dispatch.contract import Returned, artifact, only_reports, read_input, read_output
from app.dispatch.growth import Additions, Gap, GrowthLimits, NewStep
from app.dispatch.invoke import Invoker
from app.dispatch.judging import attempts_max
from app.dispatch.kept_answers import KeptAnswers
from app.dispatch.memos import Memos
from app.dispatch.progress import ProgressBuffer
from app.dispatch.reader import TaskReader
from app.dispatch.step_store import StepStore
from app.dispatch.stops import Running
from app.dispatch.tools import using
from app.errors import Permanent, Retryable, TaskNotFound, Unavailable
from app.llm.door import LlmDoor
from app.model.agents import AgentRegistry, AgentSpec, StepInput, StepOutput
from app.model.stored import from_json
from app.model.task import Document
from app.tracing.tracer import NO_TRACER, Tracer
from app.web.options import WebOptions


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """What agents may use on this machine, and how much they may return and add."""

    result_bytes_max: int
    cache_dir: Path
    collections: dict[str, Path]
    growth: GrowthLimits
    web: WebOptions = field(default_factory=WebOptions)


@dataclass(frozen=True, slots=True)
class Success:
    """What an attempt came to: its encoded output, a line about it, and the steps it adds."""

    result: bytes
    summary: str
    added: Additions | None = None


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs agents on started attempts; settling is the runner's business."""

    store: StepStore
    reader: TaskReader
    registry: AgentRegistry
    options: ExecutorOptions
    invoke: Invoker
    llm: LlmDoor | None = None
    tracer: Tracer = NO_TRACER

    async def run(self, running: Running, buffer: ProgressBuffer) -> Returned:
        """What the agent returns, checked; raises whatever it raises."""
        attempt = running.attempt
        spec = self.registry.get(attempt.step.agent)
        if spec is None:
            raise Permanent(f"This worker has no agent {attempt.step.agent!r}.", code="unknown_agent")
        context = await self._context(running, buffer, spec)
        step = read_input(spec, attempt.step.payload)
        async with self._model(context, buffer):
            called = await self._called(spec, step, context, running)
        returned = read_output(spec, called, self.options.result_bytes_max)
        if returned.output.text is not None:
            await buffer.emit(artifact(attempt.ref.task_id, attempt.ref.step_id, attempt.step.agent, returned.output))
        return returned

    async def _called(self, spec: AgentSpec, step: StepInput, context: StepContext, running: Running) -> object:
        try:
            return await self.invoke(spec, step, context, running)
        # Out of an agent these are its own trouble; whether the attempt is fenced, settling it will tell.
        except (Fenced, Unavailable) as error:
            raise Retryable(str(error), code="unavailable") from error

    def added(self, output: StepOutput) -> Additions | None:
        """The steps the output asks for, under its own ids; raises `Permanent` when needed ones are no plan."""
        if not output.steps:
            return None
        try:
            plan = growth.check(output.steps, self.registry, self.options.growth)
        except Permanent:
            if output.steps_optional:
                return None
            raise
        return Additions(plan, output.steps_optional)

    def numbered(self, added: Additions | None, attempt: Attempt, next_step_id: int) -> list[NewStep]:
        """The same steps under ids of the task's plan; raises `Permanent` when needed ones would make it too large."""
        if added is None or (added.optional and not attempt.children):
            return []
        total = attempt.steps_total + next_step_id - attempt.next_step_id
        gap = Gap(attempt.ref.step_id, attempt.children, next_step_id, total)
        try:
            return growth.number(added.plan, gap, self.registry, self.options.growth)
        except Permanent:
            if added.optional:
                return []
            raise

    async def _context(self, running: Running, buffer: ProgressBuffer, spec: AgentSpec) -> StepContext:
        attempt = running.attempt
        ref = attempt.ref
        task_left_s = math.inf if attempt.deadline_ms is None else attempt.deadline_ms / 1000
        return StepContext(
            task_id=ref.task_id,
            task=attempt.task,
            step_id=ref.step_id,
            agent=attempt.step.agent,
            attempt=attempt.number,
            run=attempt.run,
            inputs=await self._inputs(attempt),
            emit=only_reports(buffer.emit),
            memos=self._memos(attempt),
            timeout_s=(attempt.step.timeout_ms or spec.timeout_ms) / 1000,
            deadline_s=time.monotonic() + task_left_s,
            cancelled=lambda: running.scope.cancel_called,
            depends_on=attempt.depends_on,
            task_inputs=attempt.inputs,
            output_format=attempt.output.format,
            documents=self._documents(attempt.inputs.documents_sha256),
            collections=self.options.collections,
            cache_dir=self.options.cache_dir,
            web=self.options.web,
            tool=partial(using, self.tracer),
            last_attempt=attempt.failures + 1 >= attempts_max(attempt, spec),
        )

    @asynccontextmanager
    async def _model(self, context: StepContext, buffer: ProgressBuffer) -> AsyncIterator[None]:
        """The step's way to the language model; what it leaves open is closed behind it."""
        if self.llm is None:
            yield
            return
        conversation = self.llm.conversation(buffer.emit, KeptAnswers(context.memos, context.run))
        context.llm = conversation
        async with aclosing(conversation):
            yield

    async def _inputs(self, attempt: Attempt) -> dict[int, StepOutput]:
        depends_on = attempt.depends_on
        if attempt.results is None:
            return await self.reader.results(attempt.ref.task_id, depends_on)
        found = zip(depends_on, attempt.results, strict=True)
        return {step_id: from_json(StepOutput, value) for step_id, value in found if value is not None}

    # What an agent is given holds no store and no client as an attribute: these are plain functions.

    def _memos(self, attempt: Attempt) -> Memos:
        async def known(name: str) -> bytes | None:
            return await self.reader.memo(attempt.ref.task_id, attempt.ref.step_id, name)

        async def keep(name: str, value: bytes) -> bytes:
            return await self.store.memo(attempt, name, value)

        return Memos(known, keep)

    def _documents(self, sha256: str | None) -> LoadDocuments:
        async def load() -> list[Document]:
            if sha256 is None:
                return []
            try:
                return await self.reader.documents(sha256)
            except TaskNotFound as error:
                raise Permanent("The task's documents are gone.", code="documents_gone") from error

        return load
