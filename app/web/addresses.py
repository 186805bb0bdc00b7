"""
Which Internet addresses a fetch may reach: only those that everybody can reach.

The table follows the registries of special-purpose addresses of IANA for IPv4 and IPv6 (RFC 6890 and what came later),
multicast, and the addresses at which clouds hand out credentials. `ipaddress.is_global` is not asked, because it was
wrong in several releases of Python. Of IPv6 only 2000::/3 is public at all (RFC 4291, section 2.4, as assigned), so
what the table forgets there is refused as well. An address of NAT64 or one that is mapped stands for the IPv4 address
inside it.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Block:
    """A range that is not for everybody; `private` ones are those in which people run servers of their own."""

    network: Network
    name: str
    private: bool = False


# In order: the first that holds an address names the reason.
_SPECIAL = """
168.63.129.16/32   metadata of a cloud
100.100.100.200/32 metadata of a cloud
192.0.0.192/32     metadata of a cloud
fd00:ec2::/32      metadata of a cloud
fd20:ce::/32       metadata of a cloud
0.0.0.0/8          this network (RFC 791)
169.254.0.0/16     link-local (RFC 3927)
192.0.0.0/24       protocol assignments (RFC 6890)
192.0.2.0/24       documentation (RFC 5737)
192.31.196.0/24    AS112 (RFC 7535)
192.52.193.0/24    AMT (RFC 7450)
192.88.99.0/24     6to4 relay (RFC 7526)
192.175.48.0/24    AS112 (RFC 7534)
198.18.0.0/15      benchmarking (RFC 2544)
198.51.100.0/24    documentation (RFC 5737)
203.0.113.0/24     documentation (RFC 5737)
224.0.0.0/4        multicast (RFC 5771)
240.0.0.0/4        reserved (RFC 1112)
::/128             unspecified (RFC 4291)
::ffff:0:0:0/96    translated IPv4 (RFC 2765)
64:ff9b:1::/48     local NAT64 (RFC 8215)
100::/64           discard-only (RFC 6666)
100:0:0:1::/64     dummy prefix (RFC 9780)
2001::/32          Teredo (RFC 4380)
2001:2::/48        benchmarking (RFC 5180)
2001::/23          protocol assignments (RFC 2928)
2001:db8::/32      documentation (RFC 3849)
2002::/16          6to4 (RFC 3056)
2620:4f:8000::/48  AS112 (RFC 7534)
3ffe::/16          6bone, returned (RFC 3701)
3fff::/20          documentation (RFC 9637)
5f00::/16          segment routing (RFC 9602)
fe80::/10          link-local (RFC 4291)
fec0::/10          site-local (RFC 3879)
ff00::/8           multicast (RFC 4291)
"""
_PRIVATE = """
10.0.0.0/8         private (RFC 1918)
100.64.0.0/10      carrier-grade NAT (RFC 6598)
127.0.0.0/8        loopback (RFC 1122)
172.16.0.0/12      private (RFC 1918)
192.168.0.0/16     private (RFC 1918)
::1/128            loopback (RFC 4291)
fc00::/7           unique local (RFC 4193)
"""


def _blocks(table: str, *, private: bool) -> list[Block]:
    rows = (line.split(maxsplit=1) for line in table.strip().splitlines())
    return [Block(ip_network(network), name, private) for network, name in rows]


BLOCKS = (*_blocks(_SPECIAL, private=False), *_blocks(_PRIVATE, private=True))
_COMPATIBLE = Block(IPv6Network("::/96"), "IPv4-compatible (RFC 4291)")
_UNASSIGNED = Block(IPv6Network("::/0"), "not assigned to the public Internet (RFC 4291)")
_PUBLIC = IPv6Network("2000::/3")
#: The IPv4 address is in the last 32 bits: mapped (RFC 4291) and NAT64 (RFC 6052).
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def actual(address: Address) -> Address:
    """The address that packets to this one reach in the end."""
    if isinstance(address, IPv6Address) and any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def block_of(address: Address) -> Block | None:
    """The block that forbids the address, or `None` when it is public."""
    address = actual(address)
    for block in BLOCKS:
        if address in block.network:
            return block
    if isinstance(address, IPv6Address) and address not in _PUBLIC:
        return _COMPATIBLE if address in _COMPATIBLE.network else _UNASSIGNED
    return None
