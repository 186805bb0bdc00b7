"""Who is told of each attempt of a worker process, so that dispatch knows nothing of figures."""

from typing import Literal, Protocol

from app.dispatch.attempt import Attempt

#: How an attempt ended, as its runner knows it. `failed` is the end of its step, `retried` is followed by another
#: attempt; `released` went back unfinished, or could not be settled because Redis stayed away; `fenced` had been
#: overtaken, so that nothing of it counted.
AttemptOutcome = Literal["completed", "failed", "retried", "deferred", "released", "fenced", "cancelled"]


class AttemptObserver(Protocol):
    """Called on the loop between two steps: it returns at once and never raises."""

    def began(self, attempt: Attempt) -> None: ...

    def ended(self, attempt: Attempt, outcome: AttemptOutcome, seconds: float) -> None:
        """`seconds` are those from its start to its settlement."""


class Unobserved:
    """Nobody is told."""

    def began(self, attempt: Attempt) -> None:
        """Nothing."""

    def ended(self, attempt: Attempt, outcome: AttemptOutcome, seconds: float) -> None:
        """Nothing."""
