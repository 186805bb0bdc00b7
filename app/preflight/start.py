"""
The look at Redis before a process begins.

Refused is what loses or tears tasks: a server that evicts, one that is too old, a user who lacks permissions. All else
is told in the log. A server that is away is waited for by whoever needs it, and looked at when it comes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import redis

from app.broker import floor
from app.broker.errors import ServerTooOld, is_passing
from app.errors import Unavailable
from app.keys import Keys
from app.preflight.finding import Finding, Findings, Status, fail, ok
from app.preflight.needs import Role
from app.preflight.permissions import may, permissions
from app.preflight.server import Server, buffers, clock, memory, persistence

REFUSED = frozenset({"redis", "eviction", "permissions"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look has found: what forbids to begin, what to think about, what could not be looked at."""

    refusals: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def look(client: "redis.Redis", url_shown: str, namespace: str, role: Role, *, may_evict: bool = False) -> Verdict:
    """Asks the server everything; raises `Unavailable` when it is away or not ready."""
    verdict = Verdict()
    server = Server(client, url_shown)
    try:
        for name, check in _checks(server, namespace, role):
            found = _guarded(check)
            if found is None:
                verdict.unchecked.append(name)
            for finding in found or ():
                _sort(verdict, finding, may_evict=may_evict)
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"No Redis answers at {url_shown}: {error}") from error
    return verdict


def _checks(server: Server, namespace: str, role: Role) -> Iterator[tuple[str, Callable[[], Findings]]]:
    asked = may(server.client, "INFO")
    yield "redis", lambda: version(server) if asked else _forbidden()
    yield "permissions", lambda: permissions(server.client, role, Keys(namespace).tag)
    yield "persistence", lambda: persistence(server) if asked else _forbidden()
    yield "memory", lambda: memory(server) if asked else _forbidden()
    yield "clock", lambda: clock(server)
    yield "buffers", lambda: buffers(server) if server.tells_config else _forbidden()


def version(server: Server) -> Findings:
    """New enough?"""
    try:
        floor.require(server.info)
    except ServerTooOld as error:
        yield fail("redis", str(error), f"run {floor.FLOOR_TEXT} or newer")
        return
    yield ok("redis", "new enough")


def _forbidden() -> Findings:
    raise redis.exceptions.NoPermissionError("not allowed")


def _guarded(check: Callable[[], Findings]) -> list[Finding] | None:
    """What a check finds, or nothing when the server does not let it look; raises when the server is away."""
    try:
        return list(check())
    except redis.ResponseError as error:
        if is_passing(error):
            raise
        return None


def _sort(verdict: Verdict, finding: Finding, *, may_evict: bool) -> None:
    tolerated = may_evict and finding.check == "eviction"
    if finding.status is Status.FAIL and finding.check in REFUSED and not tolerated:
        verdict.refusals.append(finding)
    elif finding.status is not Status.OK:
        verdict.warnings.append(finding)
