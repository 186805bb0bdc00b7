"""Where a request came in, and whether a page that is not ours sent it; as far as this process can see for itself."""

from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from app.access.errors import ForeignHost, ForeignOrigin
from app.loopback import is_loopback

#: What proxies add, and how the rest of it begins. A request that carries one was sent from elsewhere.
FORWARDED = frozenset({b"forwarded", b"via", b"x-real-ip"})
FORWARDED_PREFIX = b"x-forwarded-"


def is_local(scope: Scope) -> bool:
    """
    Whether only this machine can have sent the request: it came in at a loopback address or a Unix socket, and
    nothing tells of a proxy.

    What counts is the address of our own end of the connection, which no header can change: uvicorn's proxy
    headers touch `client` and `scheme` only. A proxy tells of itself by what it adds, nginx by its HTTP/1.0.
    One may say nothing, so this is no substitute for asking for keys behind it.
    """
    server = scope.get("server")
    if server is None or scope["http_version"] == "1.0" or _forwarded(name for name, _ in scope["headers"]):
        return False
    host, port = server
    is_socket = port is None and ("/" in host or host.startswith("\0"))
    return is_socket or is_loopback(host)


def refuse_foreign_pages(headers: Headers, allowed_origins: Collection[str]) -> None:
    """
    Where no key is asked for, the browser of whoever sits here must not lend its place to pages from elsewhere.

    A page under a name that was made to lead here (DNS rebinding) betrays itself by its `Host`, one that sends a
    form or fetches across sites by its `Origin`, one that embeds us by `Sec-Fetch-Site`; a link may be followed.
    Raises `ForeignHost`, `ForeignOrigin`.
    """
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) > 1 or not all(_is_ours(host) for host in hosts):
        raise ForeignHost
    if len(origins) > 1 or not all(_is_same(origin, hosts) or origin in allowed_origins for origin in origins):
        raise ForeignOrigin
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate" and not origins:
        raise ForeignOrigin


def _forwarded(names: Iterable[bytes]) -> bool:
    return any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in names)


@lru_cache(maxsize=256)
def _is_ours(host: str) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    return is_loopback(name) or name.endswith(".localhost")


def _is_same(origin: str, hosts: Collection[str]) -> bool:
    scheme, separator, authority = origin.lower().partition("://")
    return bool(separator) and scheme in ("http", "https") and [authority] == [host.lower() for host in hosts]
