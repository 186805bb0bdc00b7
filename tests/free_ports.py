"""Ports for the servers of tests, which nobody else takes before they listen, nor while one is started again."""

import random
import socket

#: Below those that the kernel gives to connections and to whoever asks for any port (Linux: 32768 and up).
FIRST, LAST = 10_000, 31_999

#: For as long as this process lives: other processes of these tests look here too.
_claims: list[int] = []


def free_port() -> int:
    """A port of this process's own: the UDP port of the same number is held, which no server here wants."""
    for port in random.sample(range(FIRST, LAST + 1), LAST - FIRST):
        if (claim := _claimed(port)) is not None:
            _claims.append(claim)
            return port
    raise OSError("no port is free")


def _claimed(port: int) -> int | None:
    """The descriptor of the socket that holds it, if it was free."""
    with socket.socket(type=socket.SOCK_DGRAM) as claim, socket.socket() as server:
        try:
            claim.bind(("127.0.0.1", port))
            server.bind(("127.0.0.1", port))
        except OSError:
            return None
        return claim.detach()
