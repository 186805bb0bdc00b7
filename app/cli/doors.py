"""Where the API may listen: not where somebody else does, nor where others reach it while no key keeps them out."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from app.access.keyring import Keyring
from app.cli.keeper import StackError
from app.cli.redis_access import connect
from app.keys import Keys
from app.loopback import is_loopback, nearest


class DoorOpen(StackError):
    """The API would listen where others reach it, and there is no key."""


class PortTaken(StackError):
    """The API cannot listen where it should."""


@contextmanager
def keyring(redis_url: str, namespace: str) -> Iterator[Keyring]:
    """The keys in a Redis; a block in it raises what the driver raises."""
    with connect(redis_url) as client:
        yield Keyring(client, Keys(namespace))


def require_key(host: str, redis_url: str, namespace: str) -> None:
    """
    Raises `DoorOpen` for a host that is not this machine's own when there is no valid key.

    A Redis that does not answer is no obstacle: until it does, every request that needs a key is refused.
    """
    if is_loopback(host):
        return
    try:
        with keyring(redis_url, namespace) as ring:
            found = ring.has_valid()
    except (RedisError, OSError):
        return
    if not found:
        where = f"{host} is" if host else "All addresses are"
        raise DoorOpen(
            f"{where} open to other machines and there is no key: make one with `stepstream keys create`, "
            "or listen on 127.0.0.1."
        )


def address(host: str, port: int) -> str:
    """Where this machine finds an API that listens there."""
    host = nearest(host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def free_port(host: str, port: int, left: str = "") -> int:
    """
    The port itself, checked before anything is started, or a free one for 0; raises `PortTaken`.

    `left` is a sentence about who may have it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sentence = f"Port {port} of {host} cannot be used ({error.strerror}); choose another with --port."
            raise PortTaken(f"{sentence} {left}".rstrip()) from error
        return int(probe.getsockname()[1])
