"""
Where a url of Redis leads: to a server, or to the master that Sentinels name at the moment.

| url                                                              | leads to                                    |
|------------------------------------------------------------------|---------------------------------------------|
| `redis://`, `rediss://`, `unix://`                               | a server, as redis-py reads it              |
| `redis+sentinel://user:password@a:26379,b:26379,c:26379/mymaster/0` | the master `mymaster`, database 0        |
| `rediss+sentinel://…`                                            | the same by TLS, to Sentinels and master    |

Sentinels are asked at each connection, so after a failover whoever was cut off comes out at the new master
(https://redis.io/docs/latest/develop/reference/sentinel-clients/). What stands behind the question mark is for
connections to the master, as redis-py has it; `sentinel_username` and `sentinel_password` are for the Sentinels, which
get no other.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry

SCHEMES = {"redis+sentinel://": "redis://", "rediss+sentinel://": "rediss://"}
REDIS_PORT = 6_379
SENTINEL_PORT = 26_379
SENTINELS_MAX = 16
#: What a connection to a Sentinel shares with one to the master.
OF_BOTH = ("ssl_", "socket_")


@dataclass(frozen=True, slots=True)
class Watched:
    """A master by its name, and who knows where it is."""

    name: str
    sentinels: list[tuple[str, int]]
    settings: dict[str, Any]
    sentinel_settings: dict[str, Any]


def is_watched(url: str) -> bool:
    """Whether Sentinels are asked for the server."""
    return url.startswith(tuple(SCHEMES))


def check(url: str) -> None:
    """Raises what redis-py raises, or `ValueError`, when no connection can be made of the url; opens none."""
    if is_watched(url):
        read(url, {})
    else:
        redis.ConnectionPool.from_url(url).make_connection()


def nearest(url: str) -> tuple[str, int]:
    """A host and port that lie where the server lies: its own, or those of a Sentinel; raises `ValueError`."""
    if is_watched(url):
        return read(url, {}).sentinels[0]
    found = urlsplit(url)
    return found.hostname or "", found.port or REDIS_PORT


def read(url: str, settings: dict[str, Any]) -> Watched:
    """The parts of a url with Sentinels, `settings` added to those of its connections; raises `ValueError`."""
    scheme = next(scheme for scheme in SCHEMES if url.startswith(scheme))
    rest, _, query = url.removeprefix(scheme).partition("?")
    credentials, at, rest = rest.rpartition("@")
    hosts, _, path = rest.partition("/")
    name, _, database = path.partition("/")
    # A bare slash in a password ends what stands before the hosts.
    if not name or "/" in credentials or not (database or "0").isdecimal():
        raise ValueError("a url with Sentinels names the master: redis+sentinel://host:26379/mymaster/0")
    own = {key: value for key, value in parse_qsl(query) if key.startswith("sentinel_")}
    others = [(key, value) for key, value in parse_qsl(query) if key not in own]
    parsed: dict[str, Any] = parse_url(  # type: ignore[no-untyped-call]
        f"{SCHEMES[scheme]}{credentials}{at}master/{database or 0}?{urlencode(others)}"
    )
    parsed.pop("host")
    merged = {**parsed, **settings}
    if merged.pop("connection_class", None) is SSLConnection:
        merged["ssl"] = True
    return Watched(name, _addresses(hosts), merged, _of_sentinels(own, merged))


def _addresses(hosts: str) -> list[tuple[str, int]]:
    found = [host.rpartition(":") if _has_port(host) else (host, "", str(SENTINEL_PORT)) for host in hosts.split(",")]
    if not all(host for host, _, _ in found) or len(found) > SENTINELS_MAX:
        raise ValueError(f"a url with Sentinels has one to {SENTINELS_MAX} addresses, separated by commas")
    return [(host.strip("[]"), int(port)) for host, _, port in found]


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _of_sentinels(own: dict[str, str], merged: dict[str, Any]) -> dict[str, Any]:
    shared = {key: value for key, value in merged.items() if key in ("ssl", "retry") or key.startswith(OF_BOTH)}
    return shared | {key.removeprefix("sentinel_"): value for key, value in own.items()}


def sync_client(url: str, *, timeout_s: float, connect_timeout_s: float, **settings: Any) -> "redis.Redis":
    """A client that never re-sends by itself and never waits without a limit."""
    settings |= _limits(timeout_s, connect_timeout_s) | {"retry": Retry(NoBackoff(), 0)}
    if is_watched(url):
        return redis.Redis.from_pool(_pool(redis.sentinel, read(url, settings)))
    client: redis.Redis = redis.Redis.from_url(url, **settings)
    return client


def async_client(url: str, *, timeout_s: float, connect_timeout_s: float, **settings: Any) -> "redis.asyncio.Redis":
    """The same for asyncio."""
    settings |= _limits(timeout_s, connect_timeout_s) | {"retry": AsyncRetry(NoBackoff(), 0)}
    if is_watched(url):
        return redis.asyncio.Redis.from_pool(_pool(redis.asyncio.sentinel, read(url, settings)))
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(url, **settings)
    return client


def _limits(timeout_s: float, connect_timeout_s: float) -> dict[str, Any]:
    return {"protocol": 2, "socket_timeout": timeout_s, "socket_connect_timeout": connect_timeout_s}


def _pool(library: Any, watched: Watched) -> Any:
    manager = library.Sentinel(watched.sentinels, sentinel_kwargs=watched.sentinel_settings)
    return library.SentinelConnectionPool(watched.name, manager, **watched.settings)
