"""Looks through a list of tasks where they lie, by nothing but their states."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from app.dispatch.scripts import ScriptRunner, transition
from app.model.task import TaskStatus

SIFT = transition("sift")
#: Tasks that one act in Redis looks at: about a millisecond, in which it does nothing else.
SIFTED_PER_CALL = 500


@dataclass(frozen=True, slots=True)
class Sifted:
    """What was looked at: `counts` by state, `task_ids` of what was wanted, `last` to go on behind, None at the end."""

    looked_at: int
    last: str | None
    counts: dict[TaskStatus, int]
    task_ids: list[str]


class Sieve:
    """Calls `sift.lua`; raises `Unavailable` when Redis is away."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    async def sift(
        self, key: str, start: str, end: str, wanted: AbstractSet[TaskStatus], limit: int = SIFTED_PER_CALL
    ) -> Sifted:
        """From `start` to `end`, as `ZRANGE BYLEX` has them, until `limit` are found or enough have been looked at."""
        states = f" {' '.join(sorted(wanted))} "
        looked_at, last, counts, found = await self._scripts(SIFT, "", key, start, end, SIFTED_PER_CALL, states, limit)
        is_over = looked_at < SIFTED_PER_CALL and len(found) < limit
        return Sifted(
            looked_at,
            None if is_over else last.decode(),
            {TaskStatus(state.decode()): n for state, n in zip(counts[::2], counts[1::2], strict=True) if state},
            [task_id.decode() for task_id in found],
        )
