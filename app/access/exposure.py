"""Where a request came in, as far as this process can see for itself."""

from collections.abc import Iterable

from starlette.types import Scope

from app.loopback import is_loopback

#: What proxies add. A request that carries one was sent from elsewhere, wherever it comes in.
FORWARDED = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)


def is_local(scope: Scope) -> bool:
    """
    Whether only this machine can have sent the request: it came in at a loopback address or a Unix socket, and
    no proxy says that it passed it on.

    This is the address of our own end of the connection, which no header can change: uvicorn's proxy headers
    touch `client` and `scheme` only.
    """
    server = scope.get("server")
    if server is None or _forwarded(name for name, _ in scope["headers"]):
        return False
    host, port = server
    return port is None or is_loopback(host)


def _forwarded(names: Iterable[bytes]) -> bool:
    return not FORWARDED.isdisjoint(names)
