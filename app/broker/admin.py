"""Looking at queues from outside, and stopping them: for a dashboard, a metric, a command line."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from .dead_letters import DeadLetter, DeadLetters
from .keys import ShardKeys, tag
from .letter_list import LetterPlace, read_letters
from .pauses import PAUSE_PREFIX, RESUME_PREFIX
from .scripts import ScriptArgument, command, load_script, run_script
from .workers import WorkerReport, read_workers

DEPTH = load_script(__package__, "depth.lua", includes=("_layout.lua",))

#: Entries of a shared stream among which the oldest of a queue is looked for.
SHARED_SCAN_MAX = 1_000


@dataclass(frozen=True, slots=True)
class QueueStats:
    """
    What one queue holds; `oldest_age_ms` is the age of the oldest waiting entry, 0 when none waits.

    `due_lag_ms` is for how long the earliest delayed message has been due and not moved, 0 when none is.
    `waiting_by_level` is high, normal, low; nobody counts that in the layout `single`, where it is `None`.
    """

    waiting: int
    in_flight: int
    delayed: int
    dead: int
    oldest_age_ms: int
    paused: bool = False
    waiting_by_level: tuple[int, int, int] | None = None
    due_lag_ms: int = 0

    @property
    def unfinished(self) -> int:
        return self.waiting + self.in_flight + self.delayed


class QueueAdmin:
    """
    The queues of one shard. Needs no worker, no group and no declared actor.

    `shared` is the name of the stream in the layout `single`, else empty.
    """

    def __init__(self, client: "redis.Redis", namespace: str = "dramatiq", shard: int = 0, *, shared: str = "") -> None:
        self._client = client
        self._keys = ShardKeys(tag(namespace, shard), shared)

    def queues(self) -> list[str]:
        """Names of all queues ever used."""
        return sorted(_text(name) for name in self._client.smembers(self._keys.queues))

    def stats(self, queue: str) -> QueueStats:
        return self.stats_of([queue])[queue]

    def stats_of(self, queues: Sequence[str]) -> dict[str, QueueStats]:
        """All of them in one call, at one moment."""
        if not queues:
            return {}
        names = [self._keys.queue(queue) for queue in queues]
        keys = [
            key for name in names for key in (*name.streams, name.due, name.dlq, name.depth, self._keys.paused)
        ]  # fmt: skip
        args: list[ScriptArgument] = [names[0].shared_flag, SHARED_SCAN_MAX, *queues]
        rows = run_script(self._client, DEPTH, keys, args)
        return {
            queue: QueueStats(waiting, in_flight, delayed, dead, age_ms, bool(paused), tuple(levels) or None, lag_ms)
            for queue, (waiting, in_flight, delayed, dead, age_ms, paused, levels, lag_ms) in zip(
                queues, rows, strict=True
            )
        }

    def knows(self, queue: str) -> bool:
        """Whether the queue was ever used, or is paused."""
        found = (command(self._client, "SISMEMBER", key, queue) for key in (self._keys.queues, self._keys.paused))
        return any(found)

    def pause(self, queue: str) -> bool:
        """
        Workers fetch nothing more from this queue, within a second and until `resume`, over restarts too.

        What they run goes on. False when it was paused already.
        """
        changed = bool(command(self._client, "SADD", self._keys.paused, queue))
        self._say(PAUSE_PREFIX + queue)
        return changed

    def resume(self, queue: str) -> bool:
        """Workers fetch again. False when the queue was not paused."""
        changed = bool(command(self._client, "SREM", self._keys.paused, queue))
        self._say(RESUME_PREFIX + queue)
        return changed

    def dead_letters(self, queue: str) -> DeadLetters:
        return DeadLetters(self._client, self._keys.queue(queue), self._keys)

    def letters(
        self, queues: Sequence[str], after: LetterPlace | None = None, limit: int = 20
    ) -> tuple[list[DeadLetter], LetterPlace | None]:
        """A page of the dead letters of these queues, the newest first, and where the next one begins."""
        return read_letters(self._client, self._keys, queues, after, limit)

    def workers(self) -> list[WorkerReport]:
        """The worker processes, as they last reported themselves."""
        return read_workers(self._client, self._keys)

    def _say(self, said: str) -> None:
        command(self._client, "SPUBLISH", self._keys.wake, said)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
