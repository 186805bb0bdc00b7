"""Which addresses are public: the registries of IANA, block by block."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.addresses import Address, Network, block_of

# iana.org/assignments/iana-ipv4-special-registry, with multicast and reserved space of the address space registry.
IPV4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24
192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4
240.0.0.0/4 255.255.255.255/32
"""
# iana.org/assignments/iana-ipv6-special-registry but the two that stand for an IPv4 address, with multicast, the former
# site-local and 6bone prefixes, and the deprecated forms with an IPv4 address inside.
IPV6 = """
::/128 ::1/128 ::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
2001:1::2/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16
2620:4f:8000::/48 3ffe::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
BLOCKS: list[Network] = [ip_network(text) for text in (IPV4 + IPV6).split()]
#: First public neighbours on either side, where there are any.
NEIGHBOURS = """
1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0
172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 192.31.195.255 192.31.197.0 192.52.192.255
192.52.194.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0 198.17.255.255
198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 8.8.8.8 168.63.129.15 168.63.129.17
2000:: 2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:200:: 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9::
2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2003:: 2620:4f:7fff:ffff:ffff:ffff:ffff:ffff 2620:4f:8001::
3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2606:4700:4700::1111 2a00:1450:4001:800::200e
"""
METADATA = "169.254.169.254 169.254.170.2 168.63.129.16 192.0.0.192 100.100.100.200 fd00:ec2::254 fd20:ce::254"


def edges(network: Network) -> list[Address]:
    middle = network[network.num_addresses // 2]
    return [network[0], middle, network[-1]]


@pytest.mark.parametrize("network", BLOCKS, ids=str)
def test_no_address_of_a_special_block_is_public(network: Network) -> None:
    """Its first address, its last, and one between."""
    for address in edges(network):
        assert block_of(address) is not None, address


@pytest.mark.parametrize("network", [block for block in BLOCKS if isinstance(block, IPv4Network)], ids=str)
@pytest.mark.parametrize("prefix", ["::ffff:0:0", "64:ff9b::"])
def test_an_address_inside_another_counts(prefix: str, network: IPv4Network) -> None:
    """Mapped and translated (NAT64), a private address is as private."""
    for address in edges(network):
        assert block_of(IPv6Address(int(IPv6Address(prefix)) | int(address))) is not None, address


@pytest.mark.parametrize("text", NEIGHBOURS.split())
def test_what_lies_beside_a_block_is_public(text: str) -> None:
    """The table takes no more than it should."""
    assert block_of(ip_address(text)) is None


@pytest.mark.parametrize("text", ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_a_public_address_inside_another_is_public(text: str) -> None:
    """Networks that speak IPv6 only reach everything of IPv4 by NAT64."""
    assert block_of(ip_address(text)) is None


@pytest.mark.parametrize("text", ["::7f00:1", "2002:7f00:1::", "2002:808:808::", "2001:0:808:808::1", "::8.8.8.8"])
def test_tunnels_are_no_way_around(text: str) -> None:
    """6to4, Teredo and IPv4-compatible addresses are refused, whatever is inside."""
    assert block_of(ip_address(text)) is not None


@pytest.mark.parametrize("text", METADATA.split())
def test_metadata_of_a_cloud_is_never_private_only(text: str) -> None:
    """Credentials lie there, so that a name which the operator allows does not open them."""
    block = block_of(ip_address(text))

    assert block is not None
    assert not block.private


@given(st.integers(0, 2**128 - 1))
def test_only_one_eighth_of_ipv6_is_public(number: int) -> None:
    """What is public lies in 2000::/3 or stands for a public IPv4 address."""
    address = IPv6Address(number)

    if block_of(address) is None:
        embedded = any(address in IPv6Network(n) for n in ("::ffff:0:0/96", "64:ff9b::/96"))
        assert embedded or address in IPv6Network("2000::/3")
        assert not embedded or block_of(IPv4Address(number & 0xFFFF_FFFF)) is None


@given(st.integers(0, 2**32 - 1))
def test_whatever_python_calls_special_is_special(number: int) -> None:
    """The library's own table knows a subset of ours."""
    address = IPv4Address(number)

    if address.is_private or address.is_reserved or address.is_multicast or address.is_link_local:
        assert block_of(address) is not None
