"""The Redis server: which one is it, and which versions of the transitions does it hold?"""

import redis

from app.broker import floor
from app.broker.errors import ServerTooOld
from app.cli.doctor.place import Place, text
from app.cli.records import age
from app.dispatch.scripts import Library
from app.preflight.finding import Findings, fail, number, ok, warn


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
