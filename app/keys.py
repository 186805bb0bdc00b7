"""
Every Redis key of a task: type, owner, lifetime.

`T` is the hash tag `{namespace:shard}`. It is in every key, the broker's included
(`app/broker/keys.py`), so all that a transition touches lies in one slot and one script may
write it in one act; a second shard on Redis Cluster is another tag, never another code path.

| key               | type    | holds                                     | written by | expires             |
|-------------------|---------|-------------------------------------------|------------|---------------------|
| T:t:<task>        | hash    | the task, the state and result of each step | dispatch | retention after end |
| T:ev:<task>       | stream  | its events, id `<seq>-<rand16>`           | dispatch   | retention after end |
| T:ev:<task>       | sharded channel | the same, pushed when written: lines of `<id> <event>` | dispatch | -        |
| T:stop:<worker>   | sharded channel | attempts to stop: `<task> <step> <token>` | dispatch | -                  |
| T:docs:<sha256>   | string  | documents that came with tasks, JSON      | submit     | as their last task  |
| T:docs:<sha256>:tasks | string | how many open tasks need them         | dispatch   | with them           |
| T:idem:<tenant>:<sha256> | string | hash of the request and its task, by idempotency key | submit | `idempotency_s` |
| T:open            | zset    | tasks that are not terminal, by creation  | dispatch   | never (bounded)     |
| T:deadlines       | zset    | tasks that must end by a time, server ms  | dispatch   | never (drains)      |
| T:expiry          | zset    | terminal tasks by the end of their retention | dispatch | never (drains)      |
| T:ix:<tenant>     | zset    | task ids of a tenant, all scores 0        | dispatch   | never (with its tasks) |
| T:ix:<tenant>:s:<state> | zset | the same by state: `open`, or a terminal one | dispatch | never (with its tasks) |
| T:ix:<tenant>:l:<label>=<value> | zset | the same by label                 | submit     | never (with its tasks) |
| T:busy:<group>    | set     | `<task>:<step>` under way in a concurrency group | dispatch | never (drains)  |
| T:line:<group>    | zset    | those that wait to be let in, level first | dispatch   | never (drains)      |
| T:provider:<name> | string  | nothing: the provider is left alone while it exists | defer | as the provider asked |
| T:audit           | hash    | `cursor` of the round, `repaired` in all  | audit      | never (2 fields)    |
| T:audit:lock      | string  | one round per interval, fleet-wide        | audit      | the interval        |
| T:totals          | hash    | events ever written, see `app/dispatch/counters.py` | dispatch | never (bounded) |
| T:llm             | hash    | calls, tokens and cost of language models | progress, submit | never (4 fields) |
| T:keys            | hash    | API keys by id, see `app/access/record.py` | `stepstream keys` | never (until revoked) |
| T:rate:…          | string  | what a key has asked for in a window      | `limits`   | two windows         |
| T:ready           | string  | nothing: that it can be written counts    | readiness  | 10 s                |
| T:history         | stream  | what queues held: a field per queue and sample | history | 2 hours; 400 entries |
| T:history:lock    | string  | one sample per interval, fleet-wide       | history    | 9 s                 |
| T:apis            | zset    | ids of API processes, by their last word  | presence   | a minute            |
| T:api:<id>        | string  | one of them, as it last told of itself, JSON | presence | 15 s               |
| T:fire            | stream  | where events are: task `t`, first seq `s`, count `n` | dispatch | MAXLEN ~ |
|                   |         | what workers tell of themselves: lines `e` | EventBus  |                     |

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

    def events(self, task_id: str) -> str:
        """The event stream of a task, and the sharded channel of the same name."""
        return f"{self.tag}:ev:{task_id}"

    def documents(self, sha256: str) -> str:
        return f"{self.tag}:docs:{sha256}"

    def stops(self, worker: str) -> str:
        """The sharded channel on which a worker hears which of its attempts are to stop."""
        return f"{self.tag}:stop:{worker}"

    def idempotency(self, tenant: str, key_sha256: str) -> str:
        return f"{self.tag}:idem:{tenant}:{key_sha256}"

    def index(self, tenant: str, part: str = "") -> str:
        """A list of a tenant's tasks: all of them, or a part such as `s:failed` or `l:team=a`."""
        return f"{self.tag}:ix:{tenant}:{part}" if part else f"{self.tag}:ix:{tenant}"

    @property
    def open(self) -> str:
        return f"{self.tag}:open"

    @property
    def expiry(self) -> str:
        return f"{self.tag}:expiry"

    @property
    def deadlines(self) -> str:
        return f"{self.tag}:deadlines"

    @property
    def audit(self) -> str:
        return f"{self.tag}:audit"

    @property
    def llm(self) -> str:
        return f"{self.tag}:llm"

    @property
    def totals(self) -> str:
        return f"{self.tag}:totals"

    @property
    def fire(self) -> str:
        return f"{self.tag}:fire"

    @property
    def api_keys(self) -> str:
        return f"{self.tag}:keys"

    @property
    def rate(self) -> str:
        """What all keys of the rate limits begin with."""
        return f"{self.tag}:rate"

    @property
    def ready(self) -> str:
        return f"{self.tag}:ready"

    @property
    def history(self) -> str:
        return f"{self.tag}:history"

    @property
    def history_lock(self) -> str:
        return f"{self.history}:lock"

    @property
    def apis(self) -> str:
        return f"{self.tag}:apis"

    def api(self, process_id: str) -> str:
        return f"{self.tag}:api:{process_id}"

    @property
    def permanent(self) -> frozenset[str]:
        """The keys that may live without a TTL while no task is open."""
        return frozenset({self.fire, self.audit, self.llm, self.totals, self.api_keys})

    def outlives_tasks(self, key: str) -> bool:
        """Whether the key may exist, without a TTL, while terminal tasks are kept and none is open."""
        return key in self.permanent or key in (self.expiry,) or key.startswith(f"{self.tag}:ix:")
