"""
How a connection is made: the name is resolved once, every address is checked, and one of those is connected to.

Whoever checks a name and then hands the name on lets the second answer of a DNS server decide (DNS rebinding). Here the
checked address is what is connected to, while `Host`, SNI and the certificate go by the name. Each connection passes
this way, so redirects do too. Nothing is read from the environment: no proxies, no .netrc.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import cache, partial
from ipaddress import ip_address
from typing import Any

import anyio
import httpcore2
import structlog
from anyio import to_thread

from actors.tools.web.gates import gate
from actors.tools.web.trouble import Unreached
from app.web.policy import RefusedUrl, WebPolicy

log = structlog.get_logger(__name__)

#: Of a name with many addresses only so many are tried.
ADDRESSES_TRIED_MAX = 3
CONNECT_S_MAX = 10.0
LOOKUPS_MAX = 8

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """
    The addresses of a host, as the system orders them; raises `OSError`.

    Name servers that do not answer keep a thread each for as long as the system waits for them: so few at a time, and
    none of those that the event loop needs for its own connections.
    """
    async with gate("names", LOOKUPS_MAX)():
        lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await to_thread.run_sync(lookup, abandon_on_cancel=True)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies against the system's authorities; reading those takes a while, so it is done once per process."""
    return httpcore2.default_ssl_context()


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that the policy allows, and to nothing else."""

    def __init__(
        self,
        policy: WebPolicy,
        resolve: Resolve = resolve,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._network = network or httpcore2.AnyIOBackend()

    async def connect_tcp(  # the library's signature
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises `Unreached` for a name that is unknown or leads somewhere else than to the public Internet."""
        trouble: Exception | None = None
        for address in (await self._checked(host, port))[:ADDRESSES_TRIED_MAX]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                trouble = error
        raise trouble or Unreached("has no address", passing=True)

    async def _checked(self, host: str, port: int) -> list[str]:
        """All addresses of the host, none of which is forbidden."""
        try:
            with anyio.fail_after(CONNECT_S_MAX):
                addresses = await self._resolve(_absolute(host, self._policy), port)
        except TimeoutError:
            raise Unreached("has a name that was not resolved in time", passing=True) from None
        except (OSError, UnicodeError) as error:
            raise Unreached("has a name that nobody knows", passing=_passing(error)) from error
        for address in addresses:
            try:
                # One bad address among good ones is how rebinding begins: the whole name is refused.
                self._policy.check_address(host, ip_address(address), port)
            except ValueError as error:
                log.warning("address_refused", host=host, address=address)
                reason = str(error) if isinstance(error, RefusedUrl) else "leads to an address with a zone"
                raise Unreached(reason) from error
        return addresses


def _absolute(host: str, policy: WebPolicy) -> str:
    """With a dot behind it a name is never completed to one of the own network's."""
    own = any(entry.names(host) for entry in policy.allow)
    return host if own or ":" in host or host[-1].isdigit() else f"{host}."


def _passing(error: Exception) -> bool:
    return not isinstance(error, socket.gaierror) or error.errno == socket.EAI_AGAIN
