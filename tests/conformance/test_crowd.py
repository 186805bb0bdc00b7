"""Two thousand streams at once from one process: each gets every event, and nothing is left of them afterwards."""

import resource
import selectors
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.site import Site
from tests.deployment import wait_for

STREAMS = 2_000
TASKS = 50
WAIT_S = 180.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("crowd"))
    site.start_redis()
    site.start_api(STEPSTREAM_HEARTBEAT_S="15", STEPSTREAM_SEND_S_MAX="30")
    yield site
    site.stop()


@pytest.fixture
def streams() -> int:
    """As many as this process may have connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = STREAMS + 200
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return min(STREAMS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)


class Crowd:
    """Bare sockets and one selector; what each has received so far."""

    def __init__(self, port: int) -> None:
        self.received: dict[socket.socket, bytes] = {}
        self._port = port
        self._selector = selectors.DefaultSelector()

    def open(self, task_id: str) -> None:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=WAIT_S)
        sock.sendall(f"GET /stream/{task_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        sock.setblocking(False)
        self.received[sock] = b""
        self._selector.register(sock, selectors.EVENT_READ)

    def have(self, text: bytes) -> bool:
        """Takes what has come; whether all have got the text by now."""
        for key, _ in self._selector.select(0.05):
            data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
            self.received[key.fileobj] += data  # type: ignore[index]
            if not data:
                self._selector.unregister(key.fileobj)
        return all(text in body for body in self.received.values())

    def close(self) -> None:
        for sock in self.received:
            sock.close()
        self._selector.close()


def test_two_thousand_streams_get_every_event(site: Site, streams: int) -> None:
    """Of fifty tasks, from the first event to the end; then their places are free."""
    task_ids = [site.submit() for _ in range(TASKS)]
    crowd = Crowd(site.living[0].port)
    for number in range(streams):
        crowd.open(task_ids[number % TASKS])
    wait_for(lambda: crowd.have(b"event: step.queued"), "not all streams have begun", WAIT_S)
    assert site.living[0].viewers == streams

    site.finish_all(task_ids)
    wait_for(lambda: crowd.have(b"event: stream.end"), "not all streams have come to their end", WAIT_S)
    bodies = list(crowd.received.values())
    crowd.close()

    logs = [site.ids(task_id) for task_id in task_ids]
    for number, body in enumerate(bodies):
        found = [line[4:].decode() for line in body.splitlines() if line.startswith(b"id: ")]
        assert found == logs[number % TASKS]
    wait_for(lambda: site.living[0].viewers == 0, "places are still taken", WAIT_S)
