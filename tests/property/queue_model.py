"""A queue as it should be: a few lists and dictionaries, in one thread, without a server."""

from dataclasses import dataclass, field

LEVELS = (0, 1, 2)


@dataclass
class QueueModel:
    """
    Where each message is, by its id. A message is in exactly one place.

    A held message is pending under the name of its holder; a free one too, but the next sweep takes it.
    """

    waiting: dict[int, list[str]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    delayed: list[tuple[int, str]] = field(default_factory=list)
    holder: dict[str, str] = field(default_factory=dict)
    free: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)

    def send(self, level: int, message_id: str) -> None:
        self.waiting[level].append(message_id)

    def delay(self, level: int, message_id: str) -> None:
        self.delayed.append((level, message_id))

    def come_due(self, count: int) -> None:
        """The first so many delayed messages, in this order."""
        for level, message_id in self.delayed[:count]:
            self.send(level, message_id)
        del self.delayed[:count]

    def fetch(self, worker: str, message_id: str) -> None:
        """Free ones in any order, new ones only from the head of their level; anything else is a theft."""
        if message_id in self.holder:
            assert message_id in self.free, "a message that is held was given to somebody else"
            self.free.discard(message_id)
        else:
            heads = {level: ids[0] for level, ids in self.waiting.items() if ids}
            level = next((level for level, head in heads.items() if head == message_id), None)
            assert level is not None, "a message was fetched out of its turn, or twice"
            self.waiting[level].pop(0)
        self.holder[message_id] = worker

    def keep(self, worker: str, message_id: str) -> None:
        """A free message is held again by one who had it before."""
        assert message_id in self.free, "a message that is held was taken back"
        self.holder[message_id] = worker

    def settle(self, worker: str, message_id: str, *, dead: bool = False) -> bool:
        """Whether this worker had the right to: a message of somebody else stays as it is."""
        if self.holder.get(message_id) != worker:
            return False
        del self.holder[message_id]
        self.free.discard(message_id)
        (self.dead if dead else self.done).add(message_id)
        return True

    def release(self, worker: str, message_id: str) -> None:
        if self.holder.get(message_id) == worker:
            self.free.add(message_id)

    def renew(self, worker: str, message_ids: set[str]) -> None:
        self.free -= {message_id for message_id in message_ids if self.holder.get(message_id) == worker}

    def flush(self) -> None:
        """Everything is gone, whoever held it."""
        for ids in self.waiting.values():
            ids.clear()
        self.delayed.clear()
        self.holder.clear()
        self.free.clear()
        self.dead.clear()

    def held_by(self, worker: str) -> set[str]:
        return {message_id for message_id, holder in self.holder.items() if holder == worker}

    @property
    def in_streams(self) -> list[str]:
        return sorted([*(i for ids in self.waiting.values() for i in ids), *self.holder])
