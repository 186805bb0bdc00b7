"""Where the API may listen: not where others reach it while no key keeps them out."""

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
