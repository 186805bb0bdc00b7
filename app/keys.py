"""
Every Redis key of a task: type, owner, lifetime.

`T` is the hash tag `{namespace:shard}`. It is in every key, the broker's included
(`app/broker/keys.py`), so all that a transition touches lies in one slot and one script may
write it in one act; a second shard on Redis Cluster is another tag, never another code path.

| key               | type    | holds                                     | written by | expires             |
|-------------------|---------|-------------------------------------------|------------|---------------------|
| T:t:<task>        | hash    | the task and the state of each step       | dispatch   | retention after end |
| T:r:<task>:<step> | string  | result of a step, JSON                    | complete   | retention after end |
| T:ev:<task>       | stream  | its events, id `<seq>-<rand16>`           | dispatch   | retention after end |
| T:ev:<task>       | sharded channel | the same events, pushed when written | dispatch | -                   |
| T:docs:<sha256>   | string  | documents that came with tasks, JSON      | submit     | as their last task  |
| T:docs:<sha256>:tasks | string | how many open tasks need them         | dispatch   | with them           |
| T:open            | zset    | tasks that are not terminal, by creation  | dispatch   | never (bounded)     |
| T:ready           | string  | nothing: that it can be written counts    | readiness  | 10 s                |
| T:fire            | stream  | copy of every event but deltas, auto ids  | dispatch   | never (MAXLEN ~)    |

Task ids are `<shard in base 36>-<uuid7>`: the id alone says where a task lives.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names of one shard of one namespace."""

    namespace: str
    shard: int = 0

    @property
    def tag(self) -> str:
        return f"{{{self.namespace}:{self.shard}}}"

    def task(self, task_id: str) -> str:
        return f"{self.tag}:t:{task_id}"

    def results(self, task_id: str) -> str:
        """Prefix of the result keys; a step's id completes it."""
        return f"{self.tag}:r:{task_id}:"

    def events(self, task_id: str) -> str:
        """The event stream of a task, and the sharded channel of the same name."""
        return f"{self.tag}:ev:{task_id}"

    def documents(self, sha256: str) -> str:
        return f"{self.tag}:docs:{sha256}"

    @property
    def open(self) -> str:
        return f"{self.tag}:open"

    @property
    def fire(self) -> str:
        return f"{self.tag}:fire"

    @property
    def ready(self) -> str:
        return f"{self.tag}:ready"

    @property
    def permanent(self) -> frozenset[str]:
        """The keys that may live without a TTL while no task is open."""
        return frozenset({self.open, self.fire})
