"""One GET, without redirects: bounded in time and size, with our own name and nobody's cookies."""

import ssl
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio
import httpcore2

from actors.tools.web.body import read_body
from actors.tools.web.trouble import TooLarge, Unreached
from app.web.urls import WebUrl

CONNECT_S_MAX = 10.0
SILENCE_S_MAX = 10.0
CONNECTIONS_MAX = 32
TIMEOUTS = {"connect": CONNECT_S_MAX, "read": SILENCE_S_MAX, "write": SILENCE_S_MAX, "pool": SILENCE_S_MAX}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: header fields by lower-case name; a body only with status 200."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def location(self) -> str | None:
        """Where it sends us, when it is a redirect that a GET may follow."""
        return self.headers.get("location") if self.status in {301, 302, 303, 307, 308} else None


#: Whether a body is wanted, told by the header fields before it is read; raises `Unreached` if not.
Wanted = Callable[[Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for: the media types, how much at most, and for how long at most."""

    accept: str
    bytes_max: int
    s_max: float
    headers: dict[str, str] = field(default_factory=dict)
    wanted: Wanted = lambda _: None


class Http:
    """A client over one pool of connections."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool, *, user_agent: str) -> None:
        self._pool = pool
        self._user_agent = user_agent

    async def get(self, url: WebUrl, ask: Ask) -> Answer:
        """
        The answer to a GET, whole and within `s_max` seconds, however slowly it trickles in.

        Raises `Unreached`.
        """
        fields = {
            "host": url.authority,
            "user-agent": self._user_agent,
            "accept": ask.accept,
            "accept-encoding": "gzip",
        }
        sent = list((fields | ask.headers).items())
        request = httpcore2.Request("GET", _target(url), headers=sent, extensions={"timeout": TIMEOUTS})
        try:
            with anyio.fail_after(ask.s_max):
                return await self._answer(request, ask)
        except (TimeoutError, httpcore2.TimeoutException):
            raise Unreached(f"did not answer within {ask.s_max:.3g} s", passing=True) from None
        except (httpcore2.NetworkError, OSError) as error:
            raise _unconnected(error) from error
        except httpcore2.ProtocolError as error:
            raise Unreached("does not speak HTTP as it should") from error

    async def _answer(self, request: httpcore2.Request, ask: Ask) -> Answer:
        response = await self._pool.handle_async_request(request)
        try:
            return await _read(response, ask)
        finally:
            # What was not read to its end is closed, not drained.
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await response.aclose()


async def _read(response: httpcore2.Response, ask: Ask) -> Answer:
    headers = _fields(response.headers)
    if response.status != 200:
        return Answer(response.status, headers)
    ask.wanted(headers)
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > ask.bytes_max:
        raise TooLarge(ask.bytes_max)
    async with aclosing(response.aiter_stream()) as pieces:
        body = await read_body(pieces, headers.get("content-encoding", ""), ask.bytes_max)
    return Answer(response.status, headers, body)


def _fields(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The first of each name; bytes beyond ASCII are what people mean by them today."""
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode(errors="replace"))
    return found


def _target(url: WebUrl) -> httpcore2.URL:
    return httpcore2.URL(scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode())


def _unconnected(error: BaseException) -> Unreached:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreached("has no valid certificate, or none for its name")
        cause = cause.__cause__ or cause.__context__
    return Unreached("could not be connected to, or broke off", passing=True)
