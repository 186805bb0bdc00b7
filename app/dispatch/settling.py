"""Writes what an attempt came to."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.dispatch.attempt import Attempt
from app.dispatch.execute import Executor, Success
from app.dispatch.judging import Deferral, Failure, judge
from app.dispatch.observing import AttemptOutcome
from app.dispatch.step_store import PlanHasGrown, StepStore
from app.errors import Permanent
from app.model.events import ErrorInfo

RENUMBERINGS_MAX = 100

Outcome = Success | Failure | Deferral


class Ended(NamedTuple):
    """How an attempt ended, the error where it did not succeed, and the reply with the one to go on with, if any."""

    outcome: AttemptOutcome
    error: ErrorInfo | None = None
    following: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Settler:
    """Settles attempts; raises `Fenced` for one that was overtaken, `Unavailable` when Redis stays away."""

    store: StepStore
    executor: Executor

    async def settle(self, attempt: Attempt, outcome: Outcome, go_on: Callable[[], Collection[str]] = tuple) -> Ended:
        """`go_on` says, when a result is written, of which queues a step may follow at once."""
        if isinstance(outcome, Success):
            try:
                return Ended("completed", following=await self._complete(attempt, outcome, go_on()))
            except Permanent as error:
                outcome = judge(error, attempt, None)
        if isinstance(outcome, Deferral):
            if await self.store.defer(
                attempt,
                delay_ms=outcome.delay_ms,
                provider=outcome.provider,
                deferrals_max=outcome.deferrals_max,
            ):
                return Ended("deferred", outcome.failure.error)
            outcome = outcome.failure
        retried = await self.store.fail(
            attempt,
            outcome.error,
            retryable=outcome.retryable,
            delay_ms=outcome.delay_ms,
            max_attempts=outcome.max_attempts,
        )
        return Ended("retried" if retried else "failed", outcome.error)

    async def _complete(self, attempt: Attempt, outcome: Success, queues: Collection[str]) -> list[Any] | None:
        next_step_id = attempt.next_step_id
        for _ in range(RENUMBERINGS_MAX):
            added = self.executor.numbered(outcome.added, attempt, next_step_id)
            try:
                return await self.store.complete(attempt, outcome.result, outcome.summary, added, queues)
            except PlanHasGrown as grown:
                next_step_id = grown.next_step_id
        raise RuntimeError("the plan grew under every attempt to add to it")
