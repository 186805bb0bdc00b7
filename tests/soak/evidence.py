"""What a soak leaves behind: who sent what, who ran what, what was broken when, and what is left in the end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a message does, and so what it must leave in the ledger."""

    PLAIN = "plain"
    RETRIED = "retried"  # fails once, then succeeds
    POISON = "poison"  # fails for good
    DEADLY = "deadly"  # kills its worker each time


class Fault(StrEnum):
    """What the injector does to the fleet."""

    KILL = "kill"
    FREEZE = "freeze"
    RESTART = "restart"
    CUT = "cut"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message. `accepted` is False when the sender was told that it may not have arrived."""

    message_id: str
    kind: Kind = Kind.PLAIN
    accepted: bool = True
    due_s: float = 0.0

    @property
    def attempts(self) -> int:
        """How many runs it needs; each is also one entry in a stream."""
        return 2 if self.kind is Kind.RETRIED else 1


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one attempt; `ended_s` is None when its worker did not live to see the end."""

    message_id: str
    attempt: int
    started_s: float
    ended_s: float | None
    worker: str


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault, from its beginning until its cause is gone."""

    fault: Fault
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Remains:
    """What Redis holds after the drain."""

    waiting: int = 0
    pending: int = 0
    due: int = 0
    due_bodies: int = 0
    #: Why each dead letter died, by message id.
    dead: Mapping[str, str] = field(default_factory=dict)
    #: How many entries were ever added to the streams.
    entries_added: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What the promises are measured by."""

    lease_s: float
    #: From a lapsed lease to a new start: a sweep, the longest run that may stand before it, and slack.
    margin_s: float
    #: Most messages one worker has begun and not settled.
    held_max: int
    workers: int
    crashes_max: int = 3

    def allowance(self, fault: Fault) -> int:
        """How many second starts one fault of this kind can explain."""
        # A worker that is asked to stop finishes what runs, and a cut connection hides only a reply: calls are
        # repeated and change nothing the second time. Neither excuses a second start.
        by_kind = {
            Fault.KILL: self.held_max,
            # Those that others run meanwhile, and those it still begins before it knows.
            Fault.FREEZE: 2 * self.held_max,
            Fault.RESTART: self.workers * self.held_max,
        }
        return by_kind.get(fault, 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it."""

    sent: Sequence[Sent]
    runs: Sequence[Run]
    blows: Sequence[Blow]
    remains: Remains

    def blows_by_kind(self) -> Counter[str]:
        return Counter(blow.fault.value for blow in self.blows)
