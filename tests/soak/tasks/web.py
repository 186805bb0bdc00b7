"""HTTP as the clients of a soak speak it: any API process, no second try, every answer with its times."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, Self

import httpx2

from .evidence import Answer

TIMEOUT_S = 6.0
#: Longer than two heartbeats of a stream.
SILENCE_S_MAX = 3.0


class Web:
    """A client of some API processes; one per thread."""

    def __init__(self, urls: Sequence[str], random: Random) -> None:
        self._urls = urls
        self._random = random
        self._http = httpx2.Client(timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(
        self, method: str, path: str, *, body: Any = None, headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:  # fmt: skip
        """The answer of any one process."""
        sent_s = time.time()
        url = self._random.choice(self._urls) + path
        try:
            reply = self._http.request(method, url, json=body, headers=headers, timeout=timeout_s)
        except httpx2.TransportError:
            return Answer(sent_s, time.time(), 0, impatient=timeout_s < TIMEOUT_S)
        return Answer(sent_s, time.time(), reply.status_code, _object(reply))

    def text(self, path: str) -> str:
        """A page as text, empty when none came."""
        try:
            reply = self._http.get(self._random.choice(self._urls) + path)
        except httpx2.TransportError:
            return ""
        return reply.text if reply.status_code == 200 else ""

    @contextmanager
    def lines(self, path: str, headers: Mapping[str, str]) -> Iterator[tuple[int, Iterator[str]]]:
        """A stream's status and its lines. Raises `httpx2.TransportError` in the middle of it."""
        timeout = httpx2.Timeout(TIMEOUT_S, read=SILENCE_S_MAX)
        url = self._random.choice(self._urls) + path
        with self._http.stream("GET", url, headers=dict(headers), timeout=timeout) as reply:
            yield reply.status_code, reply.iter_lines()


def _object(reply: httpx2.Response) -> dict[str, Any]:
    try:
        found = reply.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
