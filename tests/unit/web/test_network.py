"""Connections: to the address that was checked, under the name that was asked for."""

import math
import random
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpcore2
import pytest
from anyio.abc import AnyByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from actors.tools.web.http import Answer, Ask, Http
from actors.tools.web.manners import Manners
from actors.tools.web.network import ADDRESSES_TRIED_MAX, LOOKUPS_MAX, PinnedBackend, resolve
from actors.tools.web.pages import Pages
from actors.tools.web.robots import Robots
from actors.tools.web.store import WebStore
from actors.tools.web.trouble import Unreached
from app.web.options import WebOptions
from app.web.policy import WebPolicy, read_entry
from app.web.urls import parse_url
from tests.unit.web.site import Site, redirect, reply

pytestmark = pytest.mark.anyio

CERTIFICATES = Path(__file__).parent / "certificates"
ASK = Ask("text/html", 1 << 20, 20.0)


class Names:
    """A DNS server that answers what it is told, another answer each time if it has several."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Wires(httpcore2.AsyncNetworkBackend):
    """Where connections would have gone; nothing leaves this process."""

    def __init__(self, *, dead: tuple[str, ...] = (), says: list[bytes] | None = None) -> None:
        self.connected: list[tuple[str, int]] = []
        self.dead = dead
        self.says = says or [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\ntea"]

    async def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> httpcore2.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.dead:
            raise httpcore2.ConnectError
        return httpcore2.AsyncMockStream(list(self.says))


@asynccontextmanager
async def client(network: httpcore2.AsyncNetworkBackend, context: ssl.SSLContext | None = None) -> AsyncIterator[Http]:
    async with httpcore2.AsyncConnectionPool(network_backend=network, ssl_context=context) as pool:
        yield Http(pool, user_agent="test")


async def get(url: str, names: Names, wires: Wires, policy: WebPolicy | None = None) -> Answer:
    async with client(PinnedBackend(policy or WebPolicy(), names, wires)) as http:
        return await http.get(parse_url(url), ASK)


async def test_the_checked_address_is_connected_to_and_the_name_is_not_asked_again() -> None:
    """The second answer of a name server that rebinds is never heard."""
    names, wires = Names(["93.184.216.34"], ["127.0.0.1"]), Wires()

    answer = await get("http://rebinding.example/", names, wires)

    assert answer.body == b"tea"
    assert wires.connected == [("93.184.216.34", 80)]
    assert names.asked == ["rebinding.example."]


async def test_each_connection_is_checked_anew() -> None:
    """A name that was public a moment ago and is not any more is not connected to."""
    names, wires = Names(["93.184.216.34"], ["127.0.0.1"]), Wires()
    backend = PinnedBackend(WebPolicy(), names, wires)

    async with client(backend) as http:
        await http.get(parse_url("http://rebinding.example/"), ASK)
        with pytest.raises(Unreached, match=r"leads to 127\.0\.0\.1, which is not public"):
            await http.get(parse_url("http://rebinding.example/"), ASK)

    assert wires.connected == [("93.184.216.34", 80)]


@pytest.mark.parametrize(
    "bad",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0", "fd00::1"],
)
async def test_one_bad_address_spoils_the_name(bad: str) -> None:
    """Wherever it stands among good ones: which of them is taken would be for chance to say."""
    for addresses in ([bad], ["93.184.216.34", bad], [bad, "93.184.216.34"]):
        wires = Wires()
        with pytest.raises(Unreached):
            await get("http://mixed.example/", Names(addresses), wires)
        assert wires.connected == []


async def test_the_next_address_is_tried_when_one_is_dead() -> None:
    """Up to three of them."""
    addresses = [f"93.184.216.{n}" for n in range(10)]
    wires = Wires(dead=tuple(addresses[:1]))

    assert (await get("http://many.example/", Names(addresses), wires)).body == b"tea"
    assert [address for address, _ in wires.connected] == addresses[:2]

    wires = Wires(dead=tuple(addresses))
    with pytest.raises(Unreached, match="could not be connected to") as caught:
        await get("http://many.example/", Names(addresses), wires)
    assert caught.value.passing
    assert len(wires.connected) == ADDRESSES_TRIED_MAX


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://a.example/", "a.example."), ("http://93.184.216.34/", "93.184.216.34"),
        ("http://[2600::1]/", "2600::1"), ("http://wiki/", "wiki"), ("http://wiki.corp.example/", "wiki.corp.example"),
    ],
)  # fmt: skip
async def test_a_public_name_is_never_completed_to_one_of_the_own_network(url: str, asked: str) -> None:
    """Search domains are for the names that the operator allows."""
    names = Names(["93.184.216.34"])
    policy = WebPolicy(allow=(read_entry("wiki"), read_entry(".corp.example")))

    await get(url, names, Wires(), policy)

    assert names.asked == [asked]


async def test_a_name_without_an_address_is_no_connection() -> None:
    """And one that nobody knows says so."""
    with pytest.raises(Unreached, match="has no address"):
        await get("http://empty.example/", Names([]), Wires())


async def test_an_allowed_name_reaches_its_private_address_at_its_port(site: Site) -> None:
    """For the wiki of an intranet; `Host` is its name."""
    site.answers["/"] = reply("Tea is hot.")
    policy = WebPolicy(allow=(read_entry(f"wiki.example:{site.port}"),))

    async with client(PinnedBackend(policy, Names(["127.0.0.1"]))) as http:
        answer = await http.get(parse_url(site.url(host="wiki.example")), ASK)
        with pytest.raises(Unreached, match="not public"):
            await http.get(parse_url(site.url(host="other.example")), ASK)

    assert answer.body == b"Tea is hot."
    assert [asked.headers["host"] for asked in site.asked] == [f"wiki.example:{site.port}"]


@asynccontextmanager
async def tls_site(seen: list[str]) -> AsyncIterator[int]:
    """A TLS server for pinned.example at the loopback address; `seen` are the names that clients asked for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "site.pem")
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    site = Site(answers={"/": reply("Tea is hot."), "/down": redirect("http://pinned.example/")})

    async def quietly(_: BaseException, client: AnyByteStream) -> None:
        """A client that does not like the certificate hangs up."""
        await anyio.aclose_forcefully(client)

    tls = TLSListener(listener, context, standard_compatible=False)
    tls.handle_handshake_error = quietly  # type: ignore[method-assign]
    async with listener, anyio.create_task_group() as group:
        group.start_soon(tls.serve, site.serve)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()


async def test_the_certificate_is_checked_for_the_name_and_not_for_the_address() -> None:
    """The connection goes to an address; SNI and verification go by the name in the URL."""
    seen: list[str] = []
    trusting = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    async with tls_site(seen) as port:
        policy = WebPolicy(allow=(read_entry(f"127.0.0.1:{port}"),))
        async with client(PinnedBackend(policy, Names(["127.0.0.1"])), trusting) as http:
            answer = await http.get(parse_url(f"https://pinned.example:{port}/"), ASK)
            with pytest.raises(Unreached, match="no valid certificate"):
                await http.get(parse_url(f"https://other.example:{port}/"), ASK)

    assert answer.body == b"Tea is hot."
    assert seen == ["pinned.example", "other.example"]


async def test_an_authority_that_nobody_knows_is_not_trusted() -> None:
    """Verification is on."""
    async with tls_site([]) as port:
        policy = WebPolicy(allow=(read_entry(f"127.0.0.1:{port}"),))
        async with client(PinnedBackend(policy, Names(["127.0.0.1"]))) as http:
            with pytest.raises(Unreached, match="no valid certificate"):
                await http.get(parse_url(f"https://pinned.example:{port}/"), ASK)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_an_address_is_its_own_answer(address: str) -> None:
    """The system is asked, and asks nobody."""
    assert await resolve(address, 80) == [address]


async def test_no_more_than_a_few_names_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name servers that never answer would take every thread."""
    counts, everybody = threading.Semaphore(LOOKUPS_MAX), threading.Event()
    begun: list[str] = []

    def slow(host: str, port: int, **_: Any) -> list[Any]:
        assert counts.acquire(blocking=False)
        begun.append(host)
        if len(begun) >= LOOKUPS_MAX:
            everybody.set()
        everybody.wait(20)
        counts.release()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async with anyio.create_task_group() as group:
        for n in range(3 * LOOKUPS_MAX):
            group.start_soon(resolve, f"{n}.example", 80)

    assert len(begun) == 3 * LOOKUPS_MAX


async def test_a_secure_page_does_not_lead_to_an_insecure_one(tmp_path: Path) -> None:
    """Whoever listens in between could have written that one."""
    trusting = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    async with tls_site([]) as port:
        policy = WebPolicy(allow=(read_entry(f"127.0.0.1:{port}"),))
        store = WebStore(tmp_path, bytes_max=1 << 20)
        manners = Manners(store, interval_s=0.0, deadline_s=math.inf)
        async with client(PinnedBackend(policy, Names(["127.0.0.1"])), trusting) as http:
            pages = Pages(http, store, manners, Robots(http, store, manners, policy), WebOptions(policy=policy))

            document = await pages.document(parse_url(f"https://pinned.example:{port}/"))
            with pytest.raises(Unreached, match="redirects from https to http"):
                await pages.document(parse_url(f"https://pinned.example:{port}/down"))

    assert document.text.strip() == "Tea is hot."


PIECES = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 Switching\r\n",
    b"content-length: ",
    b"5\r\n", b"-1\r\n", b"9" * 30 + b"\r\n", b"\xc2\xb2\r\n", b"transfer-encoding: chunked\r\n",
    b"content-encoding: gzip\r\n", b"\r\n", b"\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n",
    b"f" * 20 + b"\r\n", b"location: \xff\xfe\r\n", b": x\r\n",
    b"a b: c\r\n",
    b" folded\r\n", b"hello", b"\0", b"\xff" * 10, b"connection: upgrade\r\nupgrade: x\r\n",
]  # fmt: skip


async def test_whatever_a_server_sends_is_an_answer_or_told() -> None:
    """Never another error: one page must not take the others of its step along."""
    dice = random.Random(7)
    for _ in range(200):
        said = b"HTTP/1.1 200 OK\r\n" * dice.randint(0, 1) + b"".join(dice.choices(PIECES, k=dice.randint(1, 10)))
        size = dice.randint(1, 40)
        wires = Wires(says=[said[at : at + size] for at in range(0, len(said), size)])
        with suppress(Unreached):
            await get("http://a.example/", Names(["93.184.216.34"]), wires)
