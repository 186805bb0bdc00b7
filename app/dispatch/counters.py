"""
The exact counters of an installation: every event that was ever written, and what no event tells.

The scripts count in the same act that writes (`append` and `tally_events` in `lua/_task.lua`), in the hash `T:totals`:
fields `<type>:<agent>` per kind of event, or `<type>:<agent>:<type>:<agent>` and so on for events that were written
together so often; `kept/<agent>` per agent of steps that a fork took over; `fenced` and `stale`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT = "kept/"


@dataclass(frozen=True, slots=True)
class Counters:
    """
    What the scripts have counted since the keys exist.

    `events` are exact, by type and agent; the agent is empty for events of a task, and `*` stands for those that came
    when there were more kinds than are kept. `kept` are the completed steps among them that a fork took over, by agent:
    nothing ran. `fenced` are writes refused because their attempt was not the current one,
    `stale` deliveries of steps that had nothing to run any more; both count a call again whose reply was lost.
    """

    events: Mapping[tuple[str, str], int]
    fenced: int = 0
    stale: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, fields: Mapping[bytes, bytes]) -> "Counters":
        """Reads the hash, as `HGETALL` returns it; what the scripts have not written is passed over."""
        counts = {name.decode(): int(amount) for name, amount in fields.items() if amount.isdigit()}
        fenced, stale = counts.pop("fenced", 0), counts.pop("stale", 0)
        kept = {name.removeprefix(KEPT): counts.pop(name) for name in [*counts] if name.startswith(KEPT)}
        events: Counter[tuple[str, str]] = Counter()
        for names, count in counts.items():
            parts = names.split(":")
            for kind, agent in zip(parts[::2], parts[1::2], strict=False):
                events[kind, agent] += count
        return cls(events, fenced, stale, kept)
