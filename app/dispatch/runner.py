"""
Runs the steps of a batch: start, gather inputs, agent, settle.

Steps of a batch run side by side and are settled one by one; what is settled never runs again, however
often the batch's message is delivered.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import structlog

from app.broker.errors import Release
from app.dispatch.attempt import Attempt, Fenced, StepRef
from app.dispatch.context import StepContext, artifact_name
from app.dispatch.invoke import Invoker
from app.dispatch.progress import ProgressBuffer
from app.dispatch.reader import TaskReader
from app.dispatch.retry import Failure, internal_failure, judge
from app.dispatch.store import TaskStore
from app.errors import Permanent, TaskNotFound, Unavailable
from app.model.agents import AgentRegistry, AgentSpec, StepOutput
from app.model.events import ArtifactCompleted
from app.model.task import Document

RELEASE_WAIT_S = 5.0
SUMMARY_CHARS_MAX = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """What agents may use on this machine, and how much they may return."""

    result_bytes_max: int
    cache_dir: Path
    collections: dict[str, Path]


@dataclass(slots=True)
class StepRunner:
    """Runs batches for one worker process; `drain` makes it hand back what does not finish in time."""

    store: TaskStore
    reader: TaskReader
    registry: AgentRegistry
    worker: str
    options: RunnerOptions
    invoke: Invoker
    _draining: bool = False
    _grace_over: bool = False
    _batches: int = 0
    _running: set[anyio.CancelScope] = field(default_factory=set)
    _ended: anyio.Event = field(default_factory=anyio.Event)

    async def run_batch(self, task_id: str, spec: str) -> None:
        """
        Runs the steps named by a queue entry.

        Raises `Release` when the entry must be delivered again: the worker is stopping, or Redis stays away.
        """
        refs = StepRef.parse_batch(task_id, spec)
        if self._draining:
            raise Release("the worker is stopping")
        self._batches += 1
        try:
            settled = await self._run_all(refs)
        finally:
            self._batches -= 1
            self._ended.set()
        if not settled:
            raise Release("not every step of the batch is settled")

    async def drain(self, grace_ms: int) -> None:
        """Takes no new batch; whatever still runs after `grace_ms` is handed back."""
        self._draining = True
        with anyio.move_on_after(grace_ms / 1000):
            while self._batches:
                self._ended = anyio.Event()
                await self._ended.wait()
        self._grace_over = True
        for scope in list(self._running):
            scope.cancel()

    async def run(self, ref: StepRef) -> bool:
        """Runs one step; false when it is not settled and must be delivered again."""
        try:
            attempt = await self._start(ref)
            return True if attempt is None else await self._attempt(attempt)
        except Fenced as error:
            log.warning("attempt_fenced", task_id=ref.task_id, step_id=ref.step_id, reason=str(error))
            return True
        except Unavailable as error:
            log.warning("step_unsettled", task_id=ref.task_id, step_id=ref.step_id, reason=str(error))
            return False

    async def _run_all(self, refs: list[StepRef]) -> bool:
        settled: list[bool] = []

        async def run_one(ref: StepRef) -> None:
            settled.append(await self.run(ref))

        async with anyio.create_task_group() as group:
            for ref in refs:
                group.start_soon(run_one, ref)
        return len(settled) == len(refs) and all(settled)

    async def _start(self, ref: StepRef) -> Attempt | None:
        attempt = await self.store.start(ref, worker=self.worker)
        if attempt is None:
            log.info("step_dropped", task_id=ref.task_id, step_id=ref.step_id, dispatch_no=ref.dispatch_no)
        return attempt

    async def _attempt(self, attempt: Attempt) -> bool:
        outcome: StepOutput | Failure | None = None
        with anyio.CancelScope() as scope:
            self._running.add(scope)
            if self._grace_over:
                scope.cancel()
            try:
                outcome = await self._execute(attempt)
            finally:
                self._running.discard(scope)
        if outcome is None:
            return await self._release(attempt)
        try:
            await self._settle(attempt, outcome)
        except (Fenced, Unavailable):
            raise
        # A defect of ours in settling one step must not be taken for the death of its worker.
        except Exception as error:
            log.exception("settling_failed", task_id=attempt.ref.task_id, step_id=attempt.ref.step_id)
            await self._settle(attempt, internal_failure(error))
        return True

    async def _execute(self, attempt: Attempt) -> StepOutput | Failure:
        async with ProgressBuffer(lambda number, events: self.store.progress(attempt, number, events)) as buffer:
            spec = self.registry.get(attempt.step.agent)
            output: StepOutput | Failure
            try:
                output = await self._invoke(attempt, spec, buffer)
            except (Fenced, Unavailable):
                raise
            # An agent may raise anything; whatever it is, it fails this attempt and nothing else.
            except Exception as error:
                log.info("attempt_failed", task_id=attempt.ref.task_id, step_id=attempt.ref.step_id, exc_info=error)
                output = judge(error, attempt, spec)
            await buffer.flush()
            return output

    async def _invoke(self, attempt: Attempt, spec: AgentSpec | None, buffer: ProgressBuffer) -> StepOutput:
        if spec is None:
            raise Permanent(f"This worker has no agent {attempt.step.agent!r}.", code="unknown_agent")
        context = await self._context(attempt, buffer)
        payload = attempt.step.payload
        step = spec.input_model.model_validate({"text": payload} if isinstance(payload, str) else payload)
        timeout_s = (attempt.step.timeout_ms or spec.timeout_ms) / 1000
        output = await self.invoke(spec, step, context, timeout_s)
        return await self._checked(attempt, output, buffer)

    async def _context(self, attempt: Attempt, buffer: ProgressBuffer) -> StepContext:
        ref, inputs = attempt.ref, attempt.inputs

        async def documents() -> list[Document]:
            if inputs.documents_sha256 is None:
                return []
            try:
                return await self.reader.documents(inputs.documents_sha256)
            except TaskNotFound as error:
                raise Permanent("The task's documents are gone.", code="documents_gone") from error

        return StepContext(
            task_id=ref.task_id,
            task=attempt.task,
            step_id=ref.step_id,
            agent=attempt.step.agent,
            attempt=attempt.number,
            idempotency_key=hashlib.sha256(f"{ref.task_id}:{ref.step_id}:{ref.dispatch_no}".encode()).hexdigest(),
            inputs=await self.reader.results(ref.task_id, attempt.step.depends_on),
            emit=buffer.emit,
            task_inputs=inputs,
            documents=documents,
            collections=self.options.collections,
            cache_dir=self.options.cache_dir,
        )

    async def _checked(self, attempt: Attempt, output: object, buffer: ProgressBuffer) -> StepOutput:
        if not isinstance(output, StepOutput):
            raise Permanent(f"The agent returned {type(output).__name__}, not StepOutput.", code="bad_output")
        size = len(output.model_dump_json().encode())
        if size > self.options.result_bytes_max:
            raise Permanent(
                f"The result has {size} bytes; at most {self.options.result_bytes_max} are kept.",
                code="result_too_large",
            )
        if output.text is not None:
            await buffer.emit(_artifact(attempt, output.text, output.media_type))
        return output

    async def _settle(self, attempt: Attempt, outcome: StepOutput | Failure) -> None:
        if isinstance(outcome, StepOutput):
            await self.store.complete(attempt, outcome.model_dump_json().encode(), outcome.summary[:SUMMARY_CHARS_MAX])
            return
        await self.store.fail(
            attempt,
            outcome.error,
            retryable=outcome.retryable,
            delay_ms=outcome.delay_ms,
            max_attempts=outcome.max_attempts,
        )

    async def _release(self, attempt: Attempt) -> bool:
        with anyio.move_on_after(RELEASE_WAIT_S, shield=True):
            await self.store.release(attempt, "shutdown")
        return False


def _artifact(attempt: Attempt, text: str, media_type: str) -> ArtifactCompleted:
    encoded = text.encode()
    return ArtifactCompleted(
        name=artifact_name(attempt.step.agent, attempt.ref.step_id),
        media_type=media_type,
        bytes=len(encoded),
        sha256=hashlib.sha256(encoded).hexdigest(),
        href=f"/tasks/{attempt.ref.task_id}/result",
    )
