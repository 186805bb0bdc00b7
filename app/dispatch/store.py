"""
The state of tasks as a whole: taking them in, steering them, ending them; one typed method per script.

Every write of a task goes through here or through `StepStore`. All methods raise `Unavailable` when Redis
stays away, and those that name a task `TaskNotFound`.
"""

import secrets
from dataclasses import dataclass

from app.dispatch.attempt import json_text
from app.dispatch.intake import Intake, intake_args
from app.dispatch.scripts import Argument, ScriptRunner, Transition, transition
from app.errors import BacklogFull, IdempotencyConflict, InvalidRequest, NotPossible, Problem, TaskNotFound
from app.model.agents import AgentRegistry
from app.model.task import CancelMode

SUBMIT = transition("submit")
FORK = transition("fork")
CANCEL = transition("cancel")
PAUSE = transition("pause")
RESUME = transition("resume")
RETRY = transition("retry")
EXPIRE = transition("expire")
AUDIT = transition("audit")
FORGET = transition("forget")

BUSY_RETRY_AFTER_S = 5
RETRIES_MAX = 100
EXPIRED_PER_CALL = 20
FORGOTTEN_PER_CALL = 100
AUDITED_PER_CALL = 25


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """The bounds that the scripts of tasks enforce."""

    backlog_max: int
    open_tasks_max: int
    retention_ms: int
    idempotency_ttl_ms: int
    cancel_grace_ms: int
    crashes_max: int
    audit_interval_ms: int
    audit_grace_ms: int


@dataclass(frozen=True, slots=True)
class Audited:
    """One look at some open tasks; `repaired` is 0 unless something outside the scripts touched the keys."""

    looked_at: int
    repaired: int
    round_over: bool


class TaskStore:
    """Moves tasks from state to state; each method is one atomic act in Redis."""

    def __init__(self, scripts: ScriptRunner, limits: TaskLimits) -> None:
        self._scripts = scripts
        self._limits = limits

    async def submit(self, intake: Intake, registry: AgentRegistry) -> str:
        """
        Accepts a task: state, documents, first events and first entries. A second call with the same id
        changes nothing. Returns its id, or that of the task that came with the same idempotency key.

        Raises `BacklogFull`, `IdempotencyConflict`, or `InvalidRequest` for a deadline before the start.
        """
        return await self._accept(SUBMIT, intake, registry)

    async def fork(self, intake: Intake, registry: AgentRegistry) -> str:
        """
        Accepts a task that takes the results of `intake.reused` over from `intake.source`.

        Raises as `submit`, and `NotPossible` when the source still runs or has not kept what is needed.
        """
        return await self._accept(FORK, intake, registry)

    async def cancel(self, task_id: str, mode: CancelMode, *, by: str, reason: str | None) -> bool:
        """Begins to end the task, or ends it; false when it had ended already."""
        grace_ms = self._limits.cancel_grace_ms
        reply = await self._call(CANCEL, task_id, mode.value, json_text(by), json_text(reason), grace_ms)
        return bool(reply[0] == b"ok")

    async def pause(self, task_id: str, *, by: str, reason: str | None) -> None:
        """Holds back what has not started; raises `NotPossible` when the task is ending or has ended."""
        self._require(await self._call(PAUSE, task_id, json_text(by), json_text(reason)), "paused")

    async def resume(self, task_id: str, *, by: str, reason: str | None) -> None:
        """Goes on after a pause; raises `NotPossible` when the task is ending or has ended."""
        self._require(await self._call(RESUME, task_id, json_text(by), json_text(reason)), "resumed")

    async def retry(self, task_id: str, *, from_step: int | None, by: str, failed_as: int | None = None) -> None:
        """
        Runs what did not succeed again, and `from_step` with all that depends on it.

        Raises `NotPossible` unless the task has failed, was cancelled or expired, and has kept what it needs;
        with `failed_as` also unless `from_step` still is what that dispatch of it came to: failed.
        `InvalidRequest` when it has no such step.
        """
        nonce = secrets.token_hex(8)
        reply = await self._call(RETRY, task_id, from_step or "", json_text(by), nonce, RETRIES_MAX, failed_as or "")
        if reply[0] == b"no-step":
            raise InvalidRequest([Problem("/from_step", f"there is no step {from_step}")])
        self._require(reply, "retried")

    async def delete(self, task_id: str) -> None:
        """Deletes a task that has ended; raises `NotPossible` when it has not."""
        self._require(await self._call(FORGET, task_id, 1), "deleted")

    async def forget_expired(self) -> int:
        """Deletes some of the tasks whose retention is over; returns how many."""
        reply = await self._scripts(FORGET, "", FORGOTTEN_PER_CALL)
        return int(reply[0])

    async def expire(self) -> tuple[int, int | None]:
        """Ends tasks whose deadline has passed; how many, and the ms until the next one, if there is one."""
        ended, next_ms = await self._scripts(EXPIRE, "", EXPIRED_PER_CALL)
        return int(ended), None if int(next_ms) < 0 else int(next_ms)

    async def audit(self) -> Audited | None:
        """Looks at some open tasks and repairs them; `None` while the fleet rests between two rounds."""
        limits = self._limits
        reply = await self._scripts(
            AUDIT, "", limits.audit_interval_ms, AUDITED_PER_CALL, limits.audit_grace_ms, limits.crashes_max
        )
        if reply[0] == b"resting":
            return None
        return Audited(int(reply[0]), int(reply[1]), bool(reply[2]))

    async def _accept(self, script: Transition, intake: Intake, registry: AgentRegistry) -> str:
        limits, keys = self._limits, self._scripts.keys
        args = intake_args(
            intake, registry, keys, retention_ms=limits.retention_ms, idempotency_ttl_ms=limits.idempotency_ttl_ms
        )
        task_id = intake.task.task_id
        reply = await self._scripts(script, task_id, limits.open_tasks_max, limits.backlog_max, *args)
        outcome = reply[0]
        if outcome == b"busy":
            raise BacklogFull(f"{reply[1].decode()} are waiting already.", retry_after_s=BUSY_RETRY_AFTER_S)
        if outcome == b"conflict":
            raise IdempotencyConflict(f"The idempotency key belongs to another request, task {reply[1].decode()}.")
        if outcome == b"late":
            raise InvalidRequest([Problem("/deadline", "lies before the task could start")])
        if outcome == b"replayed":
            return str(reply[1].decode())
        self._refuse_missing(outcome, intake.source or task_id)
        self._require(reply, "forked")
        return task_id

    async def _call(self, script: Transition, task_id: str, *args: Argument) -> list[bytes]:
        reply = await self._scripts(script, task_id, *args)
        self._refuse_missing(reply[0], task_id)
        return reply

    @staticmethod
    def _refuse_missing(outcome: object, task_id: str) -> None:
        if outcome == b"unknown":
            raise TaskNotFound(task_id)

    @staticmethod
    def _require(reply: list[bytes], verb: str) -> None:
        """Raises `NotPossible` for the answers that say that the state does not allow it."""
        outcome, *rest = reply
        why = {
            b"spent": f"it was retried {RETRIES_MAX} times",
            b"gone": "what it needs is no longer kept",
            b"again": "the step has been run again since",
            b"done": "all its steps are completed; name the one to begin from",
        }.get(outcome)
        if outcome in (b"terminal", b"open"):
            why = f"it is {rest[0].decode()}"
        if why is not None:
            raise NotPossible(f"The task cannot be {verb}: {why}.")
