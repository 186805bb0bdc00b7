"""
What each kind of process does in Redis, command by command and kind of key.

One table for three readers: the check at start, which asks the server about each row; the test that holds
`deploy/redis/users.acl` to it; and the test that holds it to the scripts. A command that a script lacks the
permission for is refused in the middle of the script, and what it wrote before stays. `evalsha` stands where a script
names the key: whatever the script does with it, the server then asks for both reading and writing.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

Role = Literal["api", "worker"]
Table = Mapping[str, str]

#: Kind of key, as in `app/keys.py` and `app/broker/keys.py` -> commands. `*` stands for any name.
BOTH: Table = {
    "t:*": "exists hdel hget hlen hmget hset pexpire unlink fcall",
    "ev:*": "xadd xrange pexpire unlink",
    "docs:*": "decr exists get pexpire",
    "open": "zcard zrange zrem zscan zscore",
    "deadlines": "zrange zrem",
    "expiry": "zadd zrange zrem",
    "ix:*": "zadd zrem",
    "busy:*": "sadd scard srem",
    "line:*": "zadd zcard zrange zrem",
    "audit": "hget hincrby hset",
    "audit:lock": "set",
    "llm": "hincrby",
    "totals": "hdel hincrby hlen",
    "fire": "xadd",
    "provider:*": "exists pttl",
    "q:*": "xadd xinfo|groups xlen xrange evalsha",
    "queues": "evalsha sadd sismember",
    "paused": "evalsha sismember",
    "depth": "evalsha hget hincrby",
    "due:*": "evalsha hdel hget hlen hset zadd zcard zrange zrank zrem",
    "dlq:*": "evalsha hdel hset zadd zcard zrange zrem",
}
API: Table = {
    "t:*": "hkeys persist",
    "ev:*": "persist xrevrange",
    "docs:*": "incr persist set",
    "open": "zadd",
    "deadlines": "zadd zscore",
    "idem:*": "get set",
    "ix:*": "zcard zrange",
    "llm": "hmget",
    "totals": "hgetall",
    "keys": "hget hgetall",
    "rate:*": "evalsha exists get incrby pttl rename set",
    "ready": "set",
    "history": "pexpire xadd xrange xrevrange",
    "history:lock": "set",
    "apis": "pexpire zadd zrange zrem zremrangebyscore zrevrange",
    "api:*": "get pttl set unlink",
    "fire": "xinfo|stream xlen xrange xread xrevrange",
    "queues": "smembers",
    "paused": "sadd srem",
    "dlq:*": "hget hmget zcount",
    "workers": "evalsha zrange",
    "worker:*": "hgetall",
}
WORKER: Table = {
    "t:*": "hexists hsetnx",
    "provider:*": "set",
    "q:*": "xack xautoclaim xclaim xdel xgroup|create xgroup|delconsumer xinfo|consumers xpending xreadgroup",
    "sweep:*": "evalsha del hget hincrby hset pttl set",
    "tidy:*": "evalsha set",
    "starts:*": "evalsha hdel hget hset",
    "workers": "evalsha zadd zrem zremrangebyscore zscore",
    "worker:*": "evalsha del hset pexpire",
    "producer:*": "evalsha decr get incr set",
}
#: Sharded channels; both publish to all of them.
CHANNELS: Mapping[Role, tuple[str, ...]] = {"api": ("ev:*",), "worker": ("stop:*", "wake")}
PUBLISHED = ("ev:*", "stop:*", "wake")
#: Without a key.
PLAIN: Mapping[Role, tuple[str, ...]] = {
    "api": (
        "PING", "TIME", "CLIENT SETNAME x", "EVAL x 0", "FUNCTION LOAD x", "SCRIPT LOAD x",
        "MULTI", "EXEC", "DISCARD", "WAIT 0 1",
    ),
    "worker": (
        "PING", "TIME", "CLIENT SETNAME x", "CLIENT ID", "CLIENT UNBLOCK 1", "EVAL x 0", "FUNCTION LOAD x",
        "SCRIPT LOAD x",
    ),
}  # fmt: skip

#: What stands behind the key, as far as a command must have it; `KEY` moves the key to its place.
_BEHIND = {
    "hdel": "f", "hexists": "f", "hget": "f", "hincrby": "f 1", "hmget": "f", "hset": "f v",
    "hsetnx": "f v", "incrby": "1", "pexpire": "1", "sadd": "m", "set": "v", "sismember": "m", "srem": "m",
    "xack": "g 0-1", "xadd": "* f v", "xautoclaim": "g c 0 0", "xclaim": "g c 0 0-1", "xdel": "0-1", "xpending": "g",
    "xrange": "- +", "xrevrange": "+ -", "zadd": "0 m", "zcount": "0 1", "zrange": "0 1", "zrank": "m",
    "zrevrange": "0 1", "zrem": "m",
    "zremrangebyscore": "0 1", "zscan": "0", "zscore": "m", "rename": "KEY", "fcall": "x 1 KEY", "evalsha": "x 1 KEY",
    "xgroup|create": "KEY g 0", "xgroup|delconsumer": "KEY g c", "xinfo|groups": "KEY", "xinfo|consumers": "KEY g",
    "xinfo|stream": "KEY",
    "xread": "STREAMS KEY 0", "xreadgroup": "GROUP g c STREAMS KEY >",
}  # fmt: skip
#: Those whose key stands where `KEY` says, not first.
_KEY_LATER = frozenset(name for name, words in _BEHIND.items() if "KEY" in words) - {"rename"}


def needed(role: Role, tag: str, name: str = "x") -> Iterator[tuple[str, ...]]:
    """Every command that a process of that role must be allowed, with `name` for each `*`; none is to be run."""
    for text in PLAIN[role]:
        yield tuple(text.split())
    for table in (BOTH, API if role == "api" else WORKER):
        for kind, commands in table.items():
            key = f"{tag}:{kind.replace('*', name)}"
            yield from (_words(command, key) for command in commands.split())
    for command, channels in (("SPUBLISH", PUBLISHED), ("SSUBSCRIBE", CHANNELS[role])):
        for channel in channels:
            place = f"{tag}:{channel.replace('*', name)}"
            yield (command, place, "x") if command == "SPUBLISH" else (command, place)


def _words(command: str, key: str) -> tuple[str, ...]:
    behind = [key if word == "KEY" else word for word in _BEHIND.get(command, "").split()]
    first = [] if command in _KEY_LATER else [key]
    return (*command.upper().split("|"), *first, *behind)
