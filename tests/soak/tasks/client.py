"""What the clients of a soak have in common: a thread, dice, and the memory of what went wrong."""

import threading
from collections.abc import Sequence
from random import Random

from .web import Web


class Client:
    """One thread that makes a move, waits, and makes the next; `failure` is what ended it before its time."""

    def __init__(self, urls: Sequence[str], seed: int) -> None:
        self._urls = urls
        self._random = Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the move under way is over."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        # What a client may not meet must end the soak as a violation, not this thread in silence.
        try:
            with Web(self._urls, self._random) as web:
                while not self._stopped.wait(self._pause_s()):
                    self._move(web)
        except Exception as error:  # noqa: BLE001
            self.failure = error

    def _pause_s(self) -> float:
        raise NotImplementedError

    def _move(self, web: Web) -> None:
        raise NotImplementedError
