"""Watches tasks over SSE: from any API process, with random disconnects, on from where it was."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

import httpx2

from .client import Client
from .evidence import TERMINAL, Session, Viewing
from .web import Web

SESSIONS_MAX = 40
#: An open stream has the last event of a task that is over within this.
PATIENCE_S = 10.0

GivenUp = Callable[[], bool]


class Follower(Client):
    """One thread that follows one task after the other."""

    def __init__(self, urls: Sequence[str], tasks: Sequence[str], seed: int) -> None:
        super().__init__(urls, seed)
        self._tasks = tasks
        self._stopping_s = math.inf
        self.viewings: list[Viewing] = []

    def stop(self) -> None:
        """Returns when what is followed has ended; every task has, so it is given up after a while."""
        self._stopping_s = time.monotonic()
        super().stop()

    def _given_up(self) -> bool:
        return time.monotonic() - self._stopping_s > PATIENCE_S

    def _pause_s(self) -> float:
        return 0.02

    def _move(self, web: Web) -> None:
        if recent := self._tasks[-30:]:
            viewing = Viewing(self._random.choice(recent))
            self.viewings.append(viewing)
            self._follow(web, viewing)

    def _follow(self, web: Web, viewing: Viewing) -> None:
        after = ""
        while len(viewing.sessions) < SESSIONS_MAX and not self._stopped.is_set():
            frames_max = self._random.choice((1, 3, 10, 1_000, 1_000))
            session = follow(web, viewing.task_id, after, frames_max, self._given_up)
            viewing.sessions.append(session)
            if session.ended in {"end", "over"}:
                return
            if session.frames:
                after = session.frames[-1][0]
            if session.ended in {"refused", "cut"}:
                self._stopped.wait(0.3)


def follow(
    web: Web, task_id: str, after: str = "", frames_max: int = 100_000, given_up: GivenUp = lambda: False
) -> Session:
    """One connection, left after so many frames, or when it is given up although more must come."""
    session = Session(int(after.partition("-")[0] or 0))
    headers = {"Last-Event-ID": after} if after else {}
    try:
        with web.lines(f"/stream/{task_id}", headers) as (status, lines):
            session.status = status
            if status != 200:
                session.ended = "over" if status == 204 else "refused"
                return session
            _read(session, lines, frames_max, given_up)
    except httpx2.TransportError:
        session.ended = "cut"
    finally:
        session.ended_s = time.time()
    return session


def _read(session: Session, lines: Iterator[str], frames_max: int, given_up: GivenUp) -> None:
    for kind, frame_id, text in _frames(lines):
        if kind in {"stream.end", "stream.reset"}:
            session.ended = kind.removeprefix("stream.")
            return
        if kind:
            session.frames.append((frame_id, text))
        elif given_up():
            session.ended = "stuck"
            return
        if len(session.frames) >= frames_max and kind not in TERMINAL:
            session.ended = "left"
            return


def _frames(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Event, id and data of each frame; all empty for one that is no event, such as a heartbeat."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        yield fields.get("event", ""), fields.get("id", ""), fields.get("data", "")
        fields = {}
