"""A worker process that a message kills: `python -m tests.integration.broker.mortal URL NAMESPACE LEASE_MS`."""

import os
import signal
import sys
import threading

import dramatiq
from dramatiq.middleware import CurrentMessage

from app.broker import RedisStreamsBroker


def main(url: str, namespace: str, lease_ms: int) -> None:
    """Works until it is killed; harmless messages leave their ids in a list."""
    broker = RedisStreamsBroker(url, namespace=namespace, lease_ms=lease_ms, middleware=[CurrentMessage()])

    def mortal(deadly: bool) -> None:
        if deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        message = CurrentMessage.get_current_message()
        assert message is not None
        broker.client.rpush(f"{broker.keys.tag}:ran", message.message_id)

    dramatiq.actor(mortal, actor_name="mortal", broker=broker)
    dramatiq.Worker(broker, worker_threads=1, worker_timeout=100).start()
    threading.Event().wait(60)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
