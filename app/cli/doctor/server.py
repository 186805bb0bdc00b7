"""The Redis server: is it one that keeps what it was given?"""

import time

import redis

from app.broker import floor
from app.broker.errors import ServerTooOld
from app.cli.doctor.finding import Finding, Findings, fail, number, ok, warn
from app.cli.doctor.place import Place, text
from app.cli.records import age
from app.dispatch.scripts import Library

SHARE_WARN, SHARE_FAIL = 0.8, 0.95
CLOCK_MS_WARN, CLOCK_MS_FAIL = 2_000, 60_000


def version(place: Place) -> Findings:
    """New enough?"""
    info = place.info
    name = "Valkey" if "valkey_version" in info else "Redis"
    number = info.get("valkey_version") or info.get("redis_version", "of an unknown version")
    try:
        floor.require(info)
    except ServerTooOld as error:
        yield fail("redis", str(error), f"run {floor.FLOOR_TEXT} or newer")
        return
    yield ok("redis", f"{name} {number} at {place.url_shown}, up {age(1000 * info.get('uptime_in_seconds', 0))}")


def role(place: Place) -> Findings:
    """Does it take writes?"""
    found = place.info.get("role", "master")
    if found != "master":
        yield fail("role", f"this server is a {found}, it takes no writes", "set STEPSTREAM_REDIS_URL to the primary")
        return
    yield ok("role", f"primary, {number(int(place.info.get('connected_slaves', 0)), 'replica')}")


def persistence(place: Place) -> Findings:
    """Does it remember over a restart what it has accepted?"""
    info = place.info
    if info.get("loading"):
        yield fail("persistence", "the server is still reading its file", "wait until it has")
    elif info.get("aof_enabled"):
        yield from _append_only(place)
    elif place.config("save") or info.get("rdb_last_save_time", 0) > time.time() - info.get("uptime_in_seconds", 0):
        advice = "set `appendonly yes`: then a crash costs a second at most"
        yield warn("persistence", "snapshots only: a crash of Redis loses what was accepted since the last", advice)
    else:
        advice = "set `appendonly yes` and `appendfsync everysec`"
        yield fail("persistence", "nothing is written to disk: a restart of Redis loses every task", advice)


def _append_only(place: Place) -> Findings:
    failed = [name for name in ("aof_last_write_status", "aof_last_bgrewrite_status") if place.info.get(name) == "err"]
    if failed:
        yield fail("persistence", f"the append-only file cannot be written ({', '.join(failed)})", "look at its disk")
        return
    fsync = place.config("appendfsync")
    if fsync == "no":
        said = "append-only file, but written to disk when the system likes (`appendfsync no`)"
        yield warn("persistence", said, "set `appendfsync everysec`")
        return
    yield ok("persistence", f"append-only file, appendfsync {fsync or 'unknown'}")


def memory(place: Place) -> Findings:
    """Is there room, and does nothing get thrown out?"""
    info = place.info
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
    yield from _room("memory", used, limit, "bytes", "give it more memory, or shorten STEPSTREAM_RETENTION_S")
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


def clock(place: Place) -> Findings:
    """Does this machine agree with Redis about the time?"""
    before = time.time()
    seconds, micros = place.client.time()
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


def functions(place: Place) -> Findings:
    """Which versions of the transitions does the server hold?"""
    current = Library.load().name
    try:
        listed = place.ask("FUNCTION", "LIST", "LIBRARYNAME", "stepstream_*")
    except redis.ResponseError as error:
        yield warn("functions", f"the server does not list functions: {error}", "transitions run as scripts instead")
        return
    names = sorted(text(row[row.index(b"library_name") + 1]) for row in listed)
    old = [name for name in names if name != current]
    if old:
        advice = f"once no program of another version runs: {'; '.join(f'FUNCTION DELETE {name}' for name in old)}"
        yield warn("functions", f"{number(len(old), 'library', 'libraries')} of other versions loaded", advice)
        return
    yield ok("functions", f"{current} is loaded" if names else f"{current} is loaded at its first use")
