"""
Every Redis key of the broker: type, owner, lifetime, and the exact format of what lies in it.

`T` is the hash tag `{namespace:shard}`; all keys of one shard lie in one cluster slot.

| key                  | type   | holds                                                | expires            |
|----------------------|--------|------------------------------------------------------|--------------------|
| T:q:<queue>          | stream | entries waiting or in flight, level normal           | never (drains)     |
| T:q:<queue>:hi, :lo  | stream | the same for levels high and low                     | never (drains)     |
| T:due:<queue>        | zset   | delayed entries by due time, server ms               | never (drains)     |
| T:due:<queue>:m      | hash   | their bodies, by member                              | never (drains)     |
| T:dlq:<queue>        | zset   | dead letters by time of death, server ms             | 7 days, 10,000     |
| T:dlq:<queue>:m      | hash   | their bodies, raw bytes, by member                   | with the zset      |
| T:dlq:<queue>:x      | hash   | why they died, JSON, by member                       | with the zset      |
| T:sweep:<queue>      | hash   | cursor per level (`0`, `1`, `2`), counter `stolen`   | never (4 fields)   |
| T:sweep:<queue>:lock | string | until when nothing can lapse, fleet-wide              | a lease, 1 to 10 s |
| T:tidy:<queue>:lock  | string | one search for dead consumers in 5 min, fleet-wide   | 5 minutes          |
| T:starts:<queue>     | hash   | unfinished runs of redelivered entries, one line each | never (drains)    |
| T:queues             | set    | names of all queues ever used                        | never (bounded)    |
| T:paused             | set    | names of paused queues                               | never (bounded)    |
| T:depth              | hash   | layout `single` only: entries per queue              | never (bounded)    |
| T:workers            | zset   | worker ids by last sign of life, server ms           | 10 minutes, each   |
| T:worker:<id>        | hash   | host, pid, threads, queues, started_at, in_flight, `about` | 3 leases      |
| T:producer:<id>      | string | last sequence number accepted from a sender          | 10 minutes         |
| T:wake               | sharded channel | name of a queue whose earliest due time moved forward | -        |
|                      |        | `pause:<queue>`, `resume:<queue>`, `sweep:<queue>`,   |                   |
|                      |        | `release:<queue>`: see calls.py                       |                   |

In the layout `single` the streams are `T:q:<stream>` and its `:hi` and `:lo`, the same for all queues.

Who writes what, by script in `lua/`: messages come in by send, enqueue, settle (what follows from another
message) and due (from the zset into a stream); they leave by ack and settle, which alone writes dead
letters. Leases are renew's and sweep's; workers are beat's.

Formats, for others that write into the same keys from scripts of their own:

- entry: one field `m`, the encoded Dramatiq message: `XADD T:q:<queue> * m <body>`. In the layout
  `single` a field `q` with the queue comes before it, and `HINCRBY T:depth <queue> 1` goes with it.
- consumer group: named like the queue, created at id 0 by the workers. A writer needs none.
- due member: `<level>|<message id>|<n>`, where level is `0`, `1` or `2` and `n` tells apart two
  delays of one message (a retry count, a dispatch number); the same string is the field of the body.
  Write it by `HSET T:due:<queue>:m <member> <body>`, `ZADD T:due:<queue> <due ms> <member>`; when
  `ZRANK` of the member is then 0, `SPUBLISH T:wake <queue>` so that movers do not oversleep.
- dead letter: member is the message id, or `<level>|<entry id>` for bytes that do not decode.
  Meta: `{"reason", "error", "level", "deliveries", "history", "died_at"}`; unknown fields are kept.
- begun run: field `<level>|<entry id>`, lines of `{"worker", "delivery", "at"}`, the newest last.

Queue names never hold a colon (Dramatiq's own rule), so `T:q:a:hi` cannot be the queue `a:hi`.
"""

from dataclasses import dataclass
from enum import IntEnum

PRIORITY_DEFAULT = 5
PRIORITY_MAX = 9


class Level(IntEnum):
    """The three streams of a queue; the lower number is read first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


#: In reading order.
LEVELS = (Level.HIGH, Level.NORMAL, Level.LOW)
_SUFFIXES = {Level.HIGH: ":hi", Level.NORMAL: "", Level.LOW: ":lo"}


def tag(namespace: str, shard: int = 0) -> str:
    """The hash tag that every key of one shard begins with."""
    return f"{{{namespace}:{shard}}}"


@dataclass(frozen=True, slots=True)
class ShardKeys:
    """Keys that exist once per shard."""

    tag: str
    #: In the layout `single`, the name of the stream that all queues share; else empty.
    shared: str = ""

    @property
    def queues(self) -> str:
        return f"{self.tag}:queues"

    @property
    def workers(self) -> str:
        return f"{self.tag}:workers"

    @property
    def paused(self) -> str:
        return f"{self.tag}:paused"

    def worker(self, worker_id: str) -> str:
        return f"{self.tag}:worker:{worker_id}"

    def producer(self, producer_id: str) -> str:
        return f"{self.tag}:producer:{producer_id}"

    @property
    def wake(self) -> str:
        """The sharded channel on which movers hear of an earlier due time."""
        return f"{self.tag}:wake"

    def queue(self, name: str) -> "QueueKeys":
        return QueueKeys(self.tag, name, self.shared)


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """
    Keys of one queue. `tag` is the full hash tag with its braces, as `tag()` builds it.

    The consumer group on each of the three streams has the name of the queue.
    """

    tag: str
    queue: str
    shared: str = ""

    @property
    def shared_flag(self) -> str:
        """What scripts are told about the layout."""
        return "1" if self.shared else ""

    @staticmethod
    def level(priority: int | None) -> Level:
        """0-2 is high, 3-6 normal, 7-9 low; None is the default, 5."""
        number = PRIORITY_DEFAULT if priority is None else priority
        if not 0 <= number <= PRIORITY_MAX:
            raise ValueError(f"A priority lies between 0 and {PRIORITY_MAX}, not at {number}.")
        if number <= 2:
            return Level.HIGH
        return Level.NORMAL if number <= 6 else Level.LOW

    def stream(self, level: int = Level.NORMAL) -> str:
        return f"{self.tag}:q:{self.shared or self.queue}{_SUFFIXES[Level(level)]}"

    @property
    def streams(self) -> tuple[str, str, str]:
        """All three, in reading order; the index is the level."""
        return (self.stream(Level.HIGH), self.stream(Level.NORMAL), self.stream(Level.LOW))

    @property
    def group(self) -> str:
        return self.queue

    @property
    def depth(self) -> str:
        return f"{self.tag}:depth"

    @property
    def starts(self) -> str:
        return f"{self.tag}:starts:{self.queue}"

    @staticmethod
    def start_field(level: int, entry_id: str) -> str:
        return f"{int(level)}|{entry_id}"

    @property
    def due(self) -> str:
        return f"{self.tag}:due:{self.queue}"

    @property
    def put_keys(self) -> tuple[str, str, str, str, str, str]:
        """What a script needs to write messages of this queue."""
        return (*self.streams, self.due, self.due_bodies, self.depth)

    @property
    def due_bodies(self) -> str:
        return f"{self.due}:m"

    @staticmethod
    def due_member(level: int, message_id: str, n: int | str) -> str:
        return f"{int(level)}|{message_id}|{n}"

    @property
    def dlq(self) -> str:
        return f"{self.tag}:dlq:{self.queue}"

    @property
    def dlq_bodies(self) -> str:
        return f"{self.dlq}:m"

    @property
    def dlq_meta(self) -> str:
        return f"{self.dlq}:x"

    @property
    def sweep(self) -> str:
        return f"{self.tag}:sweep:{self.queue}"

    @property
    def sweep_lock(self) -> str:
        return f"{self.sweep}:lock"

    @property
    def tidy_lock(self) -> str:
        return f"{self.tag}:tidy:{self.queue}:lock"

    @property
    def wake(self) -> str:
        return ShardKeys(self.tag).wake
