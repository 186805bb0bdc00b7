"""Which addresses lead to this machine and no other."""

import ipaddress
from functools import lru_cache

#: Where to ask a server that listens at all addresses.
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # they are looked for


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether an address, or the name `localhost`, is reached from this machine only; `[::1]` as in a url is one."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def nearest(host: str) -> str:
    """Where this machine reaches a server that listens at `host`."""
    return _WILDCARDS.get(host, host)
