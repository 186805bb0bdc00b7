"""What a Redis server worked on: totals from its statistics, and shares per script from its slow log."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import redis

from app.broker.scripts import Script

SCRIPT_COMMANDS = ("evalsha", "eval", "fcall")
#: Commands shorter than this are not listed one by one. At 0 the server would also list what scripts call,
#: and the listing would cost more than the calls.
LISTED_US_MIN = 8
LISTED_MAX = 2_000_000


@dataclass
class Work:
    """Microseconds of the server: in scripts, on its CPU, and each call of a script."""

    scripts_us: int = 0
    cpu_us: float = 0.0
    calls: dict[str, list[int]] = field(default_factory=dict)


@contextmanager
def measured(client: "redis.Redis", *, by_call: bool = False) -> Iterator[Work]:
    """Fills in the work done inside the block; `by_call` costs the server a little."""
    work = Work()
    client.config_set("slowlog-max-len", LISTED_MAX)
    client.config_set("slowlog-log-slower-than", LISTED_US_MIN if by_call else -1)
    client.slowlog_reset()
    client.config_resetstat()
    cpu_s = _cpu_s(client)
    yield work
    work.cpu_us = (_cpu_s(client) - cpu_s) * 1e6
    work.scripts_us = _scripts_us(client)
    work.calls = _calls(client) if by_call else {}
    client.config_set("slowlog-log-slower-than", -1)


def _cpu_s(client: "redis.Redis") -> float:
    info = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def _scripts_us(client: "redis.Redis") -> int:
    statistics = client.info("commandstats")
    return sum(int(statistics.get(f"cmdstat_{name}", {"usec": 0})["usec"]) for name in SCRIPT_COMMANDS)


def _calls(client: "redis.Redis") -> dict[str, list[int]]:
    """Durations by script. Single commands are left out: some servers list those of scripts among them."""
    names = _names()
    calls: dict[str, list[int]] = defaultdict(list)
    for entry in client.slowlog_get(-1):
        command, _, rest = entry["command"].partition(b" ")
        if command.decode().lower() in SCRIPT_COMMANDS:
            script = rest.split(b" ", 1)[0].decode(errors="replace")
            calls[names.get(script) or _function(script)].append(entry["duration"])
    return dict(calls)


def _function(name: str) -> str:
    """A transition is a function `stepstream_<hash>_<name>`."""
    return f"dispatch: {name.split('_', 2)[2]}" if name.startswith("stepstream_") else name[:12]


def _names() -> dict[str, str]:
    """The scripts of the program by hash, found where its modules hold them."""
    return {
        value.sha1: f"{place.split('.')[1]}: {value.name}"
        for place, module in list(sys.modules.items())
        if place.startswith("app.")
        for value in vars(module).values()
        if isinstance(value, Script)
    }
