"""What a soak leaves behind: who sent what, who ran what, what was broken when, and what is left in the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ..faults import Blow


class Kind(StrEnum):
    """What a message does, and so what it must leave in the ledger."""

    PLAIN = "plain"
    RETRIED = "retried"  # fails once, then succeeds
    POISON = "poison"  # fails for good
    DEADLY = "deadly"  # kills its worker each time


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
class Evidence:
    """All of it."""

    sent: Sequence[Sent]
    runs: Sequence[Run]
    blows: Sequence[Blow]
    remains: Remains
