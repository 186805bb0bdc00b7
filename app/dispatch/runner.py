"""
Runs the steps of a batch: start, gather inputs, agent, settle.

Steps of a batch run side by side and are settled one by one; what is settled never runs again, however
often the batch's message is delivered.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import anyio
import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars

from app.broker.errors import Release
from app.dispatch.attempt import Attempt, Fenced, StepRef
from app.dispatch.execute import Executor, Success
from app.dispatch.invoke import NoSlot
from app.dispatch.judging import Deferral, Failure, internal_failure, judge
from app.dispatch.leaving import RELEASE_S_MAX, Batches
from app.dispatch.observing import AttemptObserver, AttemptOutcome, Unobserved
from app.dispatch.progress import ProgressBuffer
from app.dispatch.settling import Ended, Outcome, Settler
from app.dispatch.step_store import StepStore
from app.dispatch.stops import Running, Stops
from app.dispatch.traces import attempting
from app.errors import Unavailable
from app.tracing.tracer import NO_TRACER, Tracer

SUMMARY_CHARS_MAX = 1000
#: So long after it took an entry a worker may go on with the next step: others wait in the queue, and the lease of
#: the entry was made for its own step.
GO_ON_S = 0.25

log = structlog.get_logger(__name__)


class _HandedBack(Exception):
    """The attempt did not end: its entry must be delivered again."""


@dataclass(slots=True)
class StepRunner:
    """Runs batches for one worker process; `drain` makes it hand back what does not finish in time."""

    store: StepStore
    executor: Executor
    stops: Stops
    worker: str
    observer: AttemptObserver = field(default_factory=Unobserved)
    #: The queues this process reads; of these it may run the next step of a chain at once.
    queues: Collection[str] = ()
    tracer: Tracer = NO_TRACER
    _draining: bool = False
    _grace_over: bool = False
    _batches: Batches = field(default_factory=Batches)
    _suspects: anyio.Lock = field(default_factory=anyio.Lock)
    settler: Settler = field(init=False)

    def __post_init__(self) -> None:
        self.settler = Settler(self.store, self.executor)

    async def run_batch(self, task_id: str, spec: str, *, alone: bool = False) -> None:
        """
        Runs the steps named by a queue entry; `alone` one after another, and while no other such batch runs here.

        Raises `Release` when the entry must be delivered again: the worker is stopping, or Redis stays away.
        """
        refs = StepRef.parse_batch(task_id, spec)
        if self._draining:
            raise Release("the worker is stopping")
        with self._batches:
            settled = await (self._run_alone(refs) if alone else self._run_all(refs))
        if not settled:
            raise Release("not every step of the batch is settled")

    async def drain(self, grace_ms: int) -> None:
        """Takes no new batch; whatever still runs after `grace_ms` is handed back."""
        self._draining = True
        await self.ended(grace_ms / 1000)
        self.hand_back()

    def hand_back(self) -> None:
        """From now on no attempt has time left."""
        self._draining = self._grace_over = True
        self.stops.cancel_all()

    async def ended(self, within_s: float) -> bool:
        """Whether every batch has come to its end by then."""
        return await self._batches.ended(within_s)

    async def run(self, ref: StepRef, *, go_on_s: float = GO_ON_S) -> bool:
        """
        Runs one step, and within `go_on_s` whatever it is handed next; false when the entry must be delivered again.

        What it logs carries its ids.
        """
        until_s = time.monotonic() + go_on_s
        bind_contextvars(task_id=ref.task_id, step_id=ref.step_id, worker=self.worker)
        try:
            attempt = await self.store.start(ref, worker=self.worker)
            if attempt is None:
                log.info("step_dropped", dispatch_no=ref.dispatch_no)
                return True
            following = await self._attempt(attempt, until_s)
            # Read here: a step that nobody can read is no failure to settle the one before it.
            while following is not None:
                following = await self._attempt(Attempt.from_reply(ref.task_id, following), until_s)
            return True
        except _HandedBack:
            return False
        except Fenced as error:
            log.warning("attempt_fenced", error=str(error))
            return True
        except Unavailable as error:
            log.warning("step_unsettled", error=str(error))
            return False

    async def _run_alone(self, refs: list[StepRef]) -> bool:
        """
        Workers have died with this batch: one of its steps may be deadly, and its neighbours are not to die of it.

        A step that has not been started costs its worker's death nothing.
        """
        settled = []
        async with self._suspects:
            for ref in refs:
                unbind_contextvars("attempt", "agent")
                settled.append(await self.run(ref, go_on_s=0))
        return all(settled)

    async def _run_all(self, refs: list[StepRef]) -> bool:
        settled: list[bool] = []
        defects: list[Exception] = []

        async def run_one(ref: StepRef) -> None:
            try:
                settled.append(await self.run(ref))
            # Raised in the group it would end the attempts of its siblings, as if their worker had died.
            except Exception as error:  # noqa: BLE001
                defects.append(error)

        if len(refs) == 1:
            return await self.run(refs[0])
        async with anyio.create_task_group() as group:
            for ref in refs:
                group.start_soon(run_one, ref)
        if defects:
            raise defects[0]
        return len(settled) == len(refs) and all(settled)

    async def _attempt(self, attempt: Attempt, until_s: float) -> list[Any] | None:
        """Runs and settles an attempt; the reply with the one to go on with, if there is one."""
        bind_contextvars(step_id=attempt.ref.step_id, attempt=attempt.number, agent=attempt.step.agent)
        outcome: AttemptOutcome = "released"
        began_s = time.monotonic()
        self.observer.began(attempt)
        with attempting(self.tracer, attempt, self.worker) as told:
            try:
                outcome, told.error, following = await self._run_to_end(attempt, until_s)
                return following
            except Fenced:
                outcome = "fenced"
                raise
            finally:
                told.outcome = outcome
                self.observer.ended(attempt, outcome, time.monotonic() - began_s)

    async def _run_to_end(self, attempt: Attempt, until_s: float) -> Ended:
        running = Running(attempt)
        buffer = ProgressBuffer(
            lambda number, events: self.store.progress(attempt, number, events), running.scope.cancel
        )
        outcome = await self._run_agent(running, buffer)
        if outcome is None:
            buffer.abandon()
            if buffer.failure is not None:
                raise buffer.failure
            await self._interrupted(running)
            return Ended("cancelled")
        await buffer.flush()
        try:
            return await self.settler.settle(attempt, outcome, lambda: self._go_on(until_s))
        except (Fenced, Unavailable):
            raise
        # A defect of ours in settling one step must not be taken for the death of its worker.
        except Exception as error:
            log.exception("settling_failed")
            return await self.settler.settle(attempt, internal_failure(error))

    def _go_on(self, until_s: float) -> Collection[str]:
        """The queues of which a step may follow at once."""
        return () if self._draining or time.monotonic() >= until_s else self.queues

    async def _run_agent(self, running: Running, buffer: ProgressBuffer) -> Outcome | None:
        """What the attempt came to; `None` when it was interrupted."""
        outcome: Outcome | None = None
        self.stops.add(running)
        try:
            with running.scope:
                if self._grace_over:
                    running.scope.cancel()
                outcome = await self._execute(running, buffer)
        finally:
            self.stops.remove(running)
        if outcome is None and running.overran and not running.stopped and buffer.failure is None:
            return self._judged(TimeoutError("The step took too long."), running.attempt)
        return outcome

    async def _execute(self, running: Running, buffer: ProgressBuffer) -> Outcome | None:
        try:
            returned = await self.executor.run(running, buffer)
            summary = returned.output.summary[:SUMMARY_CHARS_MAX]
            return Success(returned.encoded, summary, self.executor.added(returned.output))
        except (Fenced, Unavailable):
            raise
        except NoSlot:
            running.reason = "busy"
            return None
        # An agent may raise anything; whatever it is, it fails this attempt and nothing else.
        except Exception as error:  # noqa: BLE001
            return self._judged(error, running.attempt)

    def _judged(self, error: Exception, attempt: Attempt) -> Failure | Deferral:
        log.warning("attempt_failed", exc_info=error)
        return judge(error, attempt, self.executor.registry.get(attempt.step.agent))

    async def _interrupted(self, running: Running) -> None:
        """The attempt was cut short: its task does not want it, or its worker has no time left."""
        with anyio.move_on_after(RELEASE_S_MAX, shield=True) as limit:
            if running.stopped:
                await self.store.stop(running.attempt)
                return
            await self.store.release(running.attempt, running.reason)
        if limit.cancelled_caught:
            log.warning("attempt_not_handed_back", waited_s=RELEASE_S_MAX)
        raise _HandedBack
