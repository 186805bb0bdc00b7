"""How many may watch at once in this process."""

from dataclasses import dataclass, field

from app.errors import Unavailable
from app.events.lag import DeliveryLag


@dataclass(slots=True)
class HubCounters:
    """What happened in a process since it began; `viewers` are those open now."""

    viewers: int = 0
    events_sent: int = 0
    gap_fills: int = 0
    resets: int = 0
    reconnects: int = 0
    delivery_lag: DeliveryLag = field(default_factory=DeliveryLag)


class Places:
    """The places of all viewers of a process, and what they have been through."""

    def __init__(self, viewers_max: int) -> None:
        self.counters = HubCounters()
        self.viewers_max = viewers_max

    def take(self) -> None:
        """Raises `Unavailable` when there is none left."""
        if self.counters.viewers >= self.viewers_max:
            raise Unavailable("This process serves as many event streams as it may.", retry_after_s=5)
        self.counters.viewers += 1

    def give_back(self) -> None:
        self.counters.viewers -= 1
