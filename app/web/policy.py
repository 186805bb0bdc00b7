"""
What may be fetched: every public address at the usual ports, and what the operator names besides.

An entry of `allow` is a name (`wiki.corp.example`, `.corp.example` for all below it), an address or a network
(`10.2.0.0/16`), each with `:port` behind it if only that port is meant; IPv6 with a port stands in brackets. A name may
lead into private networks, but not to link-local addresses or the metadata of a cloud: only an entry with the address
itself opens those.
"""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network

from app.web.addresses import Address, Network, actual, block_of
from app.web.urls import BadUrl, WebUrl, parse_url, read_host

PORTS = (80, 443)
#: Top-level names that no public server has (RFC 6761, 6762, 7686, 8375, 9476; ICANN's list of name collisions).
PRIVATE_NAMES = frozenset({
    "localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "onion", "alt",
    "invalid", "test", "arpa",
})  # fmt: skip


class RefusedUrl(BadUrl):
    """A proper URL that must not be fetched."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `allow`: a network, or a name; a port of 0 means the usual ones."""

    name: str = ""
    network: Network | None = None
    port: int = 0

    def names(self, host: str) -> bool:
        return bool(self.name) and (host.endswith(self.name) if self.name.startswith(".") else host == self.name)

    def holds(self, address: Address) -> bool:
        return self.network is not None and address in self.network


def read_entry(text: str) -> Entry:
    """Reads an entry of `allow`; raises `ValueError`."""
    host, port = _parted(text.strip())
    if not 0 <= port < 65_536:
        raise ValueError("write a port between 1 and 65535")
    try:
        return Entry(network=ip_network(host), port=port)
    except ValueError:
        if "/" in host or ":" in host:
            raise ValueError("write a network as 10.2.0.0/16, without bits behind the mask") from None
    below = host.startswith((".", "*."))
    try:
        name = read_host(host.removeprefix("*").removeprefix("."))
    except BadUrl as error:
        raise ValueError("write a name, an address or a network, with :port behind it if need be") from error
    return Entry(name=f".{name}" if below else name, port=port)


def _parted(text: str) -> tuple[str, int]:
    """(host, port); an IPv6 address has more than one colon, so its port is behind a bracket."""
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (host.endswith("]") or ":" not in host):
        return host.removeprefix("[").removesuffix("]"), int(port) or -1
    return text.removeprefix("[").removesuffix("]"), 0


@dataclass(frozen=True)
class WebPolicy:
    """The rule for URLs and, behind it, the rule for addresses; both must hold."""

    ports: tuple[int, ...] = PORTS
    allow: tuple[Entry, ...] = ()

    @cached_property
    def _ports(self) -> frozenset[int]:
        return frozenset(self.ports) | {entry.port for entry in self.allow if entry.port}

    def check_url(self, text: str) -> WebUrl:
        """The URL, as far as can be told without asking anybody; raises `BadUrl`."""
        return self.check(parse_url(text))

    def check(self, url: WebUrl) -> WebUrl:
        """The same for a URL that has been read; raises `RefusedUrl`."""
        if url.port not in self._ports:
            raise RefusedUrl(f"has port {url.port}, which is not allowed here")
        address = url.address
        if address is not None:
            self.check_address(url.host, address, url.port)
        elif not any(entry.names(url.host) and self._at(entry, url.port) for entry in self.allow):
            _check_name(url.host)
        return url

    def check_address(self, host: str, address: Address, port: int) -> None:
        """Whether a host of a URL may be reached at this address; raises `RefusedUrl`."""
        reached = actual(address)
        lifted = [entry for entry in self.allow if entry.holds(reached) and self._at(entry, port)]
        named = [entry for entry in self.allow if entry.names(host) and self._at(entry, port)]
        block = block_of(reached)
        if block is not None and not lifted and not (block.private and named):
            raise RefusedUrl(f"leads to {reached}, which is not public: {block.name}")
        if port not in self.ports and not lifted and not named:
            raise RefusedUrl(f"has port {port}, which is not allowed here")

    def _at(self, entry: Entry, port: int) -> bool:
        return entry.port == port if entry.port else port in self.ports


def _check_name(host: str) -> None:
    labels = host.split(".")
    if len(labels) == 1 or labels[-1] in PRIVATE_NAMES:
        raise RefusedUrl(f"names {host!r}, which is not a public host")
