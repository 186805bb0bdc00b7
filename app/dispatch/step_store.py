"""
The state of steps: what a worker does with an attempt, one typed method per transition script.

A method that acts for an attempt raises `Fenced` when that attempt is no longer the current one; all raise
`Unavailable` when Redis stays away.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from app.dispatch.attempt import Attempt, Fenced, StepRef, json_text
from app.dispatch.growth import NewStep
from app.dispatch.scripts import Argument, ScriptRunner, Transition, transition
from app.dispatch.usage import taken
from app.errors import Permanent
from app.model.events import ErrorInfo, EventData

START = transition("start")
PROGRESS = transition("progress")
COMPLETE = transition("complete")
FAIL = transition("fail")
DEFER = transition("defer")
RELEASE = transition("release")
STOP = transition("stop")
MEMO = transition("memo")
CHECK = transition("check")

#: Fields of a task's hash, memos among them.
FIELDS_MAX = 20_000


class PlanHasGrown(Exception):
    """Another step has added steps meanwhile; `next_step_id` is the first free id now."""

    def __init__(self, next_step_id: int) -> None:
        self.next_step_id = next_step_id


@dataclass(frozen=True, slots=True)
class StepLimits:
    """The bounds that the scripts of steps enforce."""

    events_max: int
    crashes_max: int


class StepStore:
    """Moves steps from state to state; each method is one atomic act in Redis."""

    def __init__(self, scripts: ScriptRunner, limits: StepLimits) -> None:
        self._scripts = scripts
        self._limits = limits

    async def start(self, ref: StepRef, *, worker: str) -> Attempt | None:
        """
        Begins an attempt; `None` when this dispatch of the step is not wanted, or not now.

        It is one of a later step when the worker of this entry had gone on to that.
        """
        nonce = secrets.token_hex(8)
        reply = await self._scripts(
            START, ref.task_id, ref.step_id, ref.dispatch_no, nonce, worker, self._limits.crashes_max
        )
        return Attempt.from_reply(ref.task_id, reply) if reply[0] == b"run" else None

    async def progress(self, attempt: Attempt, number: int, events: Sequence[EventData]) -> None:
        """Appends what the attempt reports; `number` counts its reports from 1."""
        pairs: list[Argument] = []
        for event in events:
            pairs += [event.type, event.model_dump_json()]
        await self._act(PROGRESS, attempt, number, self._limits.events_max, *taken(events), *pairs)

    async def complete(
        self,
        attempt: Attempt,
        result: bytes,
        summary: str,
        added: Sequence[NewStep] = (),
        queues: Collection[str] = (),
    ) -> list[Any] | None:
        """
        Stores the result, tells of it, and sends whatever became ready; `added` steps come below this one.

        A worker that has time for it names the `queues` it reads. The only step that became ready, if it is for one
        of these, may begin there at once: then what `Attempt.from_reply` reads is returned.
        Raises `PlanHasGrown` when the ids of the added steps are taken; then nothing was written.
        """
        members = json_text({"summary": summary, "bytes": len(result), "cached": False})[1:-1]
        nonce = secrets.token_hex(8) if queues else ""
        growth: list[Argument] = ["", ""]
        if added:
            steps = [new.step.model_dump(mode="json", exclude_none=True) for new in added]
            data = json_text({"parent": attempt.ref.step_id, "steps": steps})[1:-1]
            growth = [added[0].step.step_id, data, *(part for new in added for part in new.fields)]
        names = f" {' '.join(queues)} " if queues else ""
        reply = await self._act(COMPLETE, attempt, result, members, nonce, names, *growth)
        if reply[0] == b"renumber":
            raise PlanHasGrown(int(reply[1]))
        return reply if reply[0] == b"run" else None

    async def fail(
        self, attempt: Attempt, error: ErrorInfo, *, retryable: bool, delay_ms: int, max_attempts: int
    ) -> bool:
        """Settles a failed attempt; true when another one follows after `delay_ms`."""
        reply = await self._act(
            FAIL, attempt, error.model_dump_json(), int(retryable), delay_ms, max_attempts,
            json_text(f"{error.type}: {error.message}"),
        )  # fmt: skip
        return bool(reply[1] == b"retrying")

    async def defer(self, attempt: Attempt, *, delay_ms: int, provider: str, deferrals_max: int) -> bool:
        """Puts the attempt off and pauses the provider; false, and nothing done, after too many deferrals."""
        reply = await self._act(DEFER, attempt, delay_ms, provider, deferrals_max, json_text(provider))
        return bool(reply[0] == b"ok")

    async def release(self, attempt: Attempt, reason: str) -> None:
        """Hands the step back unfinished; it costs no attempt."""
        await self._act(RELEASE, attempt, json_text(reason))

    async def stop(self, attempt: Attempt) -> None:
        """Settles an attempt that was interrupted because its task is being cancelled."""
        await self._act(STOP, attempt)

    async def memo(self, attempt: Attempt, name: str, value: bytes) -> bytes:
        """
        Keeps what a side effect returned; what an earlier attempt kept under the name wins and is returned.

        Raises `Permanent` when the task remembers `FIELDS_MAX` things already.
        """
        reply = await self._act(MEMO, attempt, name, value, FIELDS_MAX)
        if reply[0] == b"full":
            raise Permanent(f"The task remembers {FIELDS_MAX} things already.", code="too_many_memos")
        return bytes(reply[1])

    async def unwanted(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Those of the running attempts that are to stop."""
        if not attempts:
            return []
        args: list[Argument] = []
        for attempt in attempts:
            args += [attempt.ref.task_id, attempt.ref.step_id, attempt.token]
        reply = await self._scripts(CHECK, attempts[0].ref.task_id, *args)
        return [attempts[int(position) - 1] for position in reply]

    async def _act(self, script: Transition, attempt: Attempt, *args: Argument) -> list[Any]:
        ref = attempt.ref
        reply = await self._scripts(script, ref.task_id, ref.step_id, attempt.token, *args)
        if reply[0] == b"fenced":
            raise Fenced(f"Attempt {attempt.number} of step {ref.step_id} is superseded.")
        return reply
