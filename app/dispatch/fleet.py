"""
An installation in the hands of its operators: queues, workers, dead letters.

The broker's own look at them is synchronous and knows nothing of tasks; here both come together.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from anyio import to_thread

from app.broker.admin import QueueAdmin, QueueStats
from app.broker.dead_letters import DeadLetter
from app.broker.letter_list import LetterPlace
from app.broker.workers import WorkerReport
from app.dispatch.attempt import StepRef
from app.dispatch.store import TaskStore
from app.errors import BadCursor, LetterNotFound, QueueNotFound
from app.model.agents import AgentRegistry
from app.model.task import is_task_id
from app.redis_async import translated

#: Why `bury` in `lua/_flow.lua` wrote a letter. Its step is settled: a delivery of the message would do nothing.
STEP_FAILED = "step failed"
#: Time of death, queue, id.
PLACE_PATTERN = re.compile(r"([0-9]{1,16}):([^:]{1,200}):(.{1,500})", re.DOTALL)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Survey:
    """The queues and the workers of an installation."""

    queues: Mapping[str, QueueStats]
    workers: Sequence[WorkerReport]


class Fleet:
    """The queues of the agents and all others ever used; all methods raise `Unavailable` when Redis is away."""

    def __init__(self, admin: QueueAdmin, registry: AgentRegistry, store: TaskStore) -> None:
        self._admin = admin
        self._agents = frozenset(agent.queue for agent in registry)
        self._store = store

    async def queues(self) -> dict[str, QueueStats]:
        """All queues by name."""
        return await _asked(lambda: self._admin.stats_of(self._names()))

    async def survey(self) -> "Survey":
        """All queues by name, and the worker processes. May be cancelled: then the driver's time limit ends it."""
        with translated():
            return await to_thread.run_sync(
                lambda: Survey(self._admin.stats_of(self._names()), self._admin.workers()), abandon_on_cancel=True
            )

    async def queue(self, name: str) -> QueueStats:
        """One of them; raises `QueueNotFound`."""
        await self._require(name)
        return await _asked(lambda: self._admin.stats(name))

    async def set_paused(self, name: str, *, paused: bool) -> None:
        """Whether workers fetch from the queue; raises `QueueNotFound`."""
        await self._require(name)
        await _asked(lambda: self._admin.pause(name) if paused else self._admin.resume(name))

    async def workers(self) -> list[WorkerReport]:
        """The worker processes, those seen last first."""
        return await _asked(self._admin.workers)

    async def letters(self, queue: str | None, cursor: str | None, limit: int) -> tuple[list[DeadLetter], str | None]:
        """A page of dead letters of one queue or of all, the newest first, and the cursor of the next one."""
        after = _place(cursor) if cursor else None
        if queue is not None:
            await self._require(queue)
        names = self._names if queue is None else lambda: [queue]
        letters, last = await _asked(lambda: self._admin.letters(names(), after, limit))
        return letters, None if last is None else _cursor(last)

    async def letter(self, queue: str, letter_id: str) -> DeadLetter:
        """One dead letter; raises `LetterNotFound`."""
        found = await _asked(lambda: self._admin.dead_letters(queue).named([letter_id]))
        if letter_id not in found:
            raise LetterNotFound(queue, letter_id)
        return found[letter_id]

    async def requeue(self, queue: str, letter_id: str, *, by: str) -> DeadLetter:
        """
        Lets the work of a dead letter be done after all: the letter of a failed step retries its task from that
        step, any other message goes back into its queue, without its retries. Either way the letter is gone.

        Raises `LetterNotFound`; for a step also `NotPossible`, when the task does not allow it or the step has
        been run again since, and `TaskNotFound`.
        """
        letter = await self.letter(queue, letter_id)
        step = failed_step(letter)
        if step is not None:
            await self._store.retry(step.task_id, from_step=step.step_id, failed_as=step.dispatch_no, by=by)
        elif not await _asked(lambda: self._admin.dead_letters(queue).requeue([letter_id])):
            raise LetterNotFound(queue, letter_id)
        return letter

    async def discard(self, queue: str, letter_id: str) -> None:
        """Deletes a dead letter; raises `LetterNotFound`."""
        if not await _asked(lambda: self._admin.dead_letters(queue).purge([letter_id])):
            raise LetterNotFound(queue, letter_id)

    def _names(self) -> list[str]:
        return sorted(self._agents.union(self._admin.queues()))

    async def _require(self, name: str) -> None:
        if name not in self._agents and not await _asked(lambda: self._admin.knows(name)):
            raise QueueNotFound(name)


def steps_of(letter: DeadLetter) -> list[StepRef]:
    """The steps that the message stands for; none when it is no message of a task."""
    message = letter.message
    if message is None or len(message.args) != 2 or not all(isinstance(arg, str) for arg in message.args):
        return []
    task_id, spec = message.args
    try:
        return StepRef.parse_batch(task_id, spec) if is_task_id(task_id) else []
    except ValueError:
        return []


def failed_step(letter: DeadLetter) -> StepRef | None:
    """The step that has failed for good, if that is what the letter stands for."""
    steps = steps_of(letter)
    return steps[0] if letter.reason == STEP_FAILED and len(steps) == 1 else None


def _cursor(place: LetterPlace) -> str:
    text = f"{place.died_at_ms}:{place.queue}:{place.letter_id}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: str) -> LetterPlace:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    match = PLACE_PATTERN.fullmatch(text)
    if match is None:
        raise BadCursor(f"{cursor[:40]!r} is not a cursor of this list.")
    return LetterPlace(int(match[1]), match[2], match[3])


async def _asked(question: Callable[[], T]) -> T:
    with translated():
        return await to_thread.run_sync(question)
