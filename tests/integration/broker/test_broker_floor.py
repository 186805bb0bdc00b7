"""Servers below the floor are refused with one sentence."""

import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import BrokerConnectionError

from app.broker import RedisStreamsBroker, ServerTooOld
from app.broker.floor import require

SENTENCE = "Redis 6.2.14 is too old for this broker: it needs Redis 7.0.4 or Valkey 7.2 or newer."

PROGRAM = """
import sys
import dramatiq
from app.broker import RedisStreamsBroker

broker = RedisStreamsBroker(sys.argv[1])
dramatiq.set_broker(broker)
broker.declare_queue("default")
"""


class OldServer(socketserver.StreamRequestHandler):
    """Speaks enough of the protocol to say that it is Redis 6.2.14."""

    def handle(self) -> None:
        while (line := self.rfile.readline()).startswith(b"*"):
            parts = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                parts.append(self.rfile.read(size + 2)[:-2])
            self.wfile.write(self.answer(parts))

    @staticmethod
    def answer(parts: list[bytes]) -> bytes:
        if parts[0].upper() == b"INFO":
            text = b"# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n"
            return b"$%d\r\n%b\r\n" % (len(text), text)
        return b"+OK\r\n"


@pytest.fixture
def old_url() -> Iterator[str]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldServer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "server",
    [
        {"redis_version": "7.0.4"},
        {"redis_version": "8.2.1"},
        {"redis_version": "7.2.4", "valkey_version": "7.2.5"},
        {"redis_version": "7.2.4", "valkey_version": "9.1.0"},
        {"redis_version": "of some service"},
        {},
    ],
    ids=str,
)
def test_a_server_at_the_floor_or_unknown_is_taken(server: dict[str, Any]) -> None:
    """Nothing is raised; a service that hides its version gets the benefit of the doubt."""
    require(server)


@pytest.mark.parametrize("version", ["7.0.3", "6.2.14", "5.0"])
def test_a_server_below_the_floor_is_refused(version: str) -> None:
    """The sentence names what was found and what is needed."""
    with pytest.raises(ServerTooOld, match=f"Redis {version} is too old"):
        require({"redis_version": version})


def test_the_first_enqueue_is_refused(old_url: str) -> None:
    """The sender is told at once, as of any connection it cannot use."""
    broker = RedisStreamsBroker(old_url)
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)

    with pytest.raises(BrokerConnectionError) as refused:
        actor.send()

    assert str(refused.value) == SENTENCE
    broker.close()


def test_a_worker_process_ends_with_the_sentence(old_url: str, tmp_path: Any) -> None:
    """Dramatiq's command line exits with an error and does not try for ever."""
    (tmp_path / "old_program.py").write_text(PROGRAM.replace("sys.argv[1]", repr(old_url)))
    command = [sys.executable, "-m", "dramatiq", "old_program", "-p", "1", "-t", "1", "--path", str(tmp_path), "."]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert ended.returncode != 0
    assert SENTENCE in ended.stderr
