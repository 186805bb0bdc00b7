"""One attempt inside a worker: the agent's input and context, the call, and what may come out of it."""

import hashlib
import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from app.dispatch import growth
from app.dispatch.attempt import Attempt, Fenced
from app.dispatch.context import Memos, StepContext, artifact_name
from app.dispatch.growth import Gap, GrowthLimits, NewStep
from app.dispatch.invoke import Invoker
from app.dispatch.progress import ProgressBuffer
from app.dispatch.reader import TaskReader
from app.dispatch.step_store import StepStore
from app.dispatch.stops import Running
from app.errors import Permanent, Retryable, TaskNotFound, Unavailable
from app.model.agents import AgentRegistry, AgentSpec, StepInput, StepOutput
from app.model.events import ArtifactCompleted
from app.model.plan import Plan
from app.model.task import Document


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """What agents may use on this machine, and how much they may return and add."""

    result_bytes_max: int
    cache_dir: Path
    collections: dict[str, Path]
    growth: GrowthLimits


@dataclass(frozen=True, slots=True)
class Success:
    """What an attempt came to: its encoded output, a line about it, and the steps it adds."""

    result: bytes
    summary: str
    added: Plan | None = None


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs agents on started attempts; settling is the runner's business."""

    store: StepStore
    reader: TaskReader
    registry: AgentRegistry
    options: ExecutorOptions
    invoke: Invoker

    async def run(self, running: Running, buffer: ProgressBuffer) -> "tuple[StepOutput, bytes]":
        """What the agent returns, checked, and the same encoded; raises whatever it raises."""
        attempt = running.attempt
        spec = self.registry.get(attempt.step.agent)
        if spec is None:
            raise Permanent(f"This worker has no agent {attempt.step.agent!r}.", code="unknown_agent")
        timeout_s = (attempt.step.timeout_ms or spec.timeout_ms) / 1000
        context = await self._context(running, buffer, timeout_s)
        step = _input(spec, attempt)
        return await self._checked(attempt, await self._called(spec, step, context, running), buffer)

    async def _called(self, spec: AgentSpec, step: StepInput, context: StepContext, running: Running) -> object:
        try:
            return await self.invoke(spec, step, context, running)
        # Out of an agent these are its own trouble; whether the attempt is fenced, settling it will tell.
        except (Fenced, Unavailable) as error:
            raise Retryable(str(error), code="unavailable") from error

    def added(self, output: StepOutput) -> Plan | None:
        """The steps the output asks for, under its own ids; raises `Permanent` when they are no plan."""
        return growth.check(output.steps, self.registry, self.options.growth) if output.steps else None

    def numbered(self, added: Plan | None, attempt: Attempt, next_step_id: int) -> list[NewStep]:
        """The same steps under ids of the task's plan; raises `Permanent` when it would become too large."""
        if added is None:
            return []
        total = attempt.steps_total + next_step_id - attempt.next_step_id
        gap = Gap(attempt.ref.step_id, attempt.children, next_step_id, total)
        return growth.number(added, gap, self.registry, self.options.growth)

    async def _context(self, running: Running, buffer: ProgressBuffer, timeout_s: float) -> StepContext:
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
            emit=buffer.emit,
            memos=Memos(partial(self.reader.memo, ref.task_id, ref.step_id), partial(self.store.memo, attempt)),
            timeout_s=timeout_s,
            deadline_s=time.monotonic() + task_left_s,
            cancelled=lambda: running.scope.cancel_called,
            task_inputs=attempt.inputs,
            documents=partial(self._documents, attempt.inputs.documents_sha256),
            collections=self.options.collections,
            cache_dir=self.options.cache_dir,
        )

    async def _inputs(self, attempt: Attempt) -> dict[int, StepOutput]:
        depends_on = attempt.depends_on
        if attempt.results is None:
            return await self.reader.results(attempt.ref.task_id, depends_on)
        found = zip(depends_on, attempt.results, strict=True)
        return {step_id: StepOutput.model_validate_json(value) for step_id, value in found if value is not None}

    async def _documents(self, sha256: str | None) -> list[Document]:
        if sha256 is None:
            return []
        try:
            return await self.reader.documents(sha256)
        except TaskNotFound as error:
            raise Permanent("The task's documents are gone.", code="documents_gone") from error

    async def _checked(self, attempt: Attempt, output: object, buffer: ProgressBuffer) -> tuple[StepOutput, bytes]:
        if not isinstance(output, StepOutput):
            raise Permanent(f"The agent returned {type(output).__name__}, not StepOutput.", code="bad_output")
        encoded = output.model_dump_json().encode()
        if len(encoded) > self.options.result_bytes_max:
            raise Permanent(
                f"The result has {len(encoded)} bytes; at most {self.options.result_bytes_max} are kept.",
                code="result_too_large",
            )
        _readable(encoded)
        if output.text is not None:
            await buffer.emit(_artifact(attempt, output.text, output.media_type))
        return output, encoded


def _input(spec: AgentSpec, attempt: Attempt) -> StepInput:
    """The payload as the agent's own model; raises `Permanent` when it does not fit."""
    payload = attempt.step.payload
    try:
        return spec.input_model.model_validate({"text": payload} if isinstance(payload, str) else payload)
    except ValidationError as error:
        raise Permanent(str(error), code="invalid_input") from error


def _readable(encoded: bytes) -> None:
    """Members of a class of the agent's own, or lists in lists in lists, can be written and not be read again."""
    try:
        StepOutput.model_validate_json(encoded)
    except ValidationError as error:
        raise Permanent(f"The output could not be read again: {error}", code="bad_output") from error


def _artifact(attempt: Attempt, text: str, media_type: str) -> ArtifactCompleted:
    encoded = text.encode()
    return ArtifactCompleted(
        name=artifact_name(attempt.step.agent, attempt.ref.step_id),
        media_type=media_type,
        bytes=len(encoded),
        sha256=hashlib.sha256(encoded).hexdigest(),
        href=f"/tasks/{attempt.ref.task_id}/result",
    )
