"""
Is this Redis one that keeps what it is given? Asked by the doctor, and by API and workers before they begin.

Facts from INFO and CONFIG (https://redis.io/docs/latest/commands/info/); what a user may not ask is not judged.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import redis

from app.loopback import is_loopback
from app.preflight.finding import Finding, Findings, fail, number, ok, warn
from app.preflight.permissions import may

SHARE_WARN, SHARE_FAIL = 0.8, 0.95
MORE_MEMORY = "give it more memory, or shorten STEPSTREAM_RETENTION_S"
CLOCK_MS_WARN, CLOCK_MS_FAIL = 2_000, 60_000


# No slots: the cached properties live in the instance's dictionary.
@dataclass(frozen=True)
class Server:
    """A server, with what several checks ask of it; it is asked once."""

    client: "redis.Redis"
    url_shown: str

    @cached_property
    def info(self) -> dict[str, Any]:
        """All of INFO."""
        found: dict[str, Any] = self.client.info()
        return found

    @property
    def elsewhere(self) -> bool:
        """Whether it is for others to reach, not a server of this machine alone."""
        host = urlsplit(self.url_shown).hostname
        return host is not None and not is_loopback(host)

    @cached_property
    def tells_config(self) -> bool:
        """Asked before, because each refusal would be a line in the server's own log of them."""
        return may(self.client, "CONFIG", "GET", "x")

    def config(self, name: str) -> str | None:
        """A setting of the server; nothing when this user may not ask."""
        if not self.tells_config:
            return None
        try:
            found = self.client.config_get(name)
        except redis.ResponseError:
            return None
        return next((value.decode() if isinstance(value, bytes) else str(value) for value in found.values()), None)


def persistence(server: Server) -> Findings:
    """Does it remember over a restart what it has accepted?"""
    info = server.info
    if info.get("loading"):
        yield fail("persistence", "the server is still reading its file", "wait until it has")
    elif info.get("aof_enabled"):
        yield from _append_only(server)
    elif server.config("save") or info.get("rdb_last_save_time", 0) > time.time() - info.get("uptime_in_seconds", 0):
        advice = "set `appendonly yes`: then a crash costs a second at most"
        yield warn("persistence", "snapshots only: a crash of Redis loses what was accepted since the last", advice)
    else:
        advice = "set `appendonly yes` and `appendfsync everysec`"
        yield fail("persistence", "nothing is written to disk: a restart of Redis loses every task", advice)


def _append_only(server: Server) -> Findings:
    failed = [name for name in ("aof_last_write_status", "aof_last_bgrewrite_status") if server.info.get(name) == "err"]
    if failed:
        yield fail("persistence", f"the append-only file cannot be written ({', '.join(failed)})", "look at its disk")
        return
    fsync = server.config("appendfsync")
    if fsync == "no":
        said = "append-only file, but written to disk when the system likes (`appendfsync no`)"
        yield warn("persistence", said, "set `appendfsync everysec`")
        return
    yield ok("persistence", f"append-only file, appendfsync {fsync or 'unknown'}")


def memory(server: Server) -> Findings:
    """Is there room, and does nothing get thrown out?"""
    info = server.info
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    policy, evicted = info.get("maxmemory_policy", "noeviction"), int(info.get("evicted_keys", 0))
    advice = "set `maxmemory-policy noeviction`: a full Redis then refuses submissions and finishes the rest"
    if policy != "noeviction":
        said = f"maxmemory-policy is {policy}: what Redis evicts is a lost task"
        yield fail("eviction", said, advice) if limit else warn("eviction", f"{said}, once there is a limit", advice)
    elif evicted:
        yield warn(
            "eviction",
            f"{number(evicted, 'key was', 'keys were')} evicted since the server started",
            "look for stuck tasks below",
        )
    else:
        yield ok("eviction", "noeviction, nothing was ever evicted")
    if not limit and server.elsewhere:
        advice = "set `maxmemory` to three quarters of what its machine has: without, the system ends a full Redis"
        yield warn("memory", f"{used:,} bytes, no limit", advice)
    else:
        yield from _room("memory", used, limit, "bytes", MORE_MEMORY)
    clients = (int(info.get("connected_clients", 0)), int(info.get("maxclients", 0)))
    yield from _room("connections", *clients, "connections", "raise `maxclients`, or run fewer processes")


def _room(check: str, used: int, limit: int, unit: str, advice: str) -> Findings:
    said = f"{used:,} of {limit:,} {unit}" if limit else f"{used:,} {unit}, no limit"
    share = used / limit if limit else 0.0
    if share >= SHARE_FAIL:
        yield fail(check, said, advice)
    elif share >= SHARE_WARN:
        yield warn(check, said, advice)
    else:
        yield ok(check, said)


def clock(server: Server) -> Findings:
    """Does this machine agree with Redis about the time?"""
    before = time.time()
    seconds, micros = server.client.time()
    after = time.time()
    yield compared("clock", "Redis", seconds * 1000 + micros / 1000 - (before + after) * 500)


def compared(check: str, whose: str, ahead_ms: float, blur_ms: float = 0.0) -> Finding:
    """What a difference of clocks means; one that is within the blur of its measurement is none."""
    apart_ms = max(0.0, abs(ahead_ms) - blur_ms)
    said = f"{whose} is {apart_ms / 1000:.1f} s {'ahead of' if ahead_ms > 0 else 'behind'} this machine"
    advice = "run NTP on both: deadlines, ages and the 410 of old tasks go by their clocks"
    if apart_ms >= CLOCK_MS_FAIL:
        return fail(check, said, advice)
    if apart_ms >= CLOCK_MS_WARN:
        return warn(check, said, advice)
    return ok(check, f"{whose} and this machine agree within {max(apart_ms, blur_ms) / 1000:.1f} s")


def buffers(server: Server) -> Findings:
    """Is a subscriber that takes nothing cut off before it fills the memory?"""
    limits = server.config("client-output-buffer-limit")
    if limits is None:
        return
    words = limits.split()
    hard, soft = (int(word) for word in words[words.index("pubsub") + 1 :][:2])
    if hard or soft:
        yield ok("buffers", f"a subscriber is cut off at {hard:,} bytes")
    else:
        advice = "set `client-output-buffer-limit pubsub 64mb 16mb 60`"
        yield warn("buffers", "a subscriber that takes nothing may fill the memory", advice)
