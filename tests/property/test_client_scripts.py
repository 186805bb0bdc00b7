"""Both clients do the same with the same server, however it drops, refuses, rolls back and cuts its bytes."""

import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.client import Client, ClientError
from app.client.frames import Frames
from tests.unit.conftest import Blocking
from tests.unit.scripted_server import END, frame

BRIEF = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
LONG = settings(BRIEF, max_examples=1500, derandomize=False)

EVENTS = 6
HEAD = "retry: 2000\n\n: hello\n\n"
LOG = [frame(seq) for seq in range(1, EVENTS)] + [frame(EVENTS, "task.completed")]
RESET = "event: stream.reset\ndata: {}\n\n"
NONSENSE = "event: step.progress\ndata: {}\n\n"
WHOLE = HEAD + "".join(LOG) + END
REFUSALS = (429, 502, 503, 504)

#: What goes wrong with a connection, and a number that says where or how.
Trouble = tuple[str, int]
#: Those that cost nothing but time.
PASSING = st.tuples(st.sampled_from(["cut", "end", "refuse", "hang up"]), st.integers(0, len(WHOLE)))
ANY = st.tuples(
    st.sampled_from(["cut", "end", "refuse", "hang up", "reset", "gap", "nonsense", "unknown"]),
    st.integers(0, len(WHOLE)),
)


def reply(after: int, kind: str, number: int) -> tuple[int, str, bool]:
    """(status, body, whether the connection breaks behind it) for a client that has `after` events; 0: no answer."""
    rest = HEAD + "".join(LOG[after:]) + END
    some = HEAD + "".join(LOG[after:][: number % (EVENTS + 1)])
    return {
        "none": (200, rest, False),
        "cut": (200, rest[: number % len(rest)], True),
        "end": (200, some, False),
        "refuse": (REFUSALS[number % len(REFUSALS)], "", False),
        "hang up": (0, "", True),
        "reset": (200, some + RESET + "".join(LOG) + END, False),
        "gap": (200, some + frame(EVENTS + 2) + END, False),
        "nonsense": (200, some + NONSENSE + END, False),
        "unknown": (404, "", False),
    }[kind]


class Player(ThreadingHTTPServer):
    """A server with a log and a line of troubles, one per connection; bytes leave in pieces of one size."""

    troubles: list[Trouble]
    positions: list[str]
    piece: int

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the play."""


class Answering(BaseHTTPRequestHandler):
    """Sends what follows the client's position, unless the next trouble in line says otherwise."""

    server: Player

    def do_GET(self) -> None:
        position = self.headers.get("last-event-id", "")
        self.server.positions.append(position)
        kind, number = self.server.troubles.pop(0) if self.server.troubles else ("none", 0)
        after = int(position.partition("-")[0] or 0)
        status, body, broken = (204, "", False) if after == EVENTS else reply(after, kind, number)
        if not status:
            return
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body) + broken))
        self.send_header("Retry-After", "0")
        self.end_headers()
        for start in range(0, len(body), self.server.piece):
            self.wfile.write(body[start : start + self.server.piece].encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[Player, Client, Blocking]]:
    """The server, and a client of each kind."""
    with Player(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with Client(url, silence_s_max=5.0) as sync, Blocking(url, silence_s_max=5.0) as asynchronous:
            yield server, sync, asynchronous
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _quick_to_return(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between connections are not what is looked at here."""
    monkeypatch.setattr("app.client.follower.BACKOFF_S", 0.0001)


def followed(server: Player, client: Client | Blocking, troubles: list[Trouble], piece: int = 1 << 20) -> object:
    """(the events seen, what was raised, the positions that were asked for)"""
    server.troubles, server.positions, server.piece = list(troubles), [], piece
    seen: list[int] = []
    raised = ""
    try:
        for event in client.follow("0-x"):
            seen.append(event.seq)
    except ClientError as error:
        raised = f"{type(error).__name__}: {error}"
    return seen, raised, server.positions


def check_both(clients: tuple[Player, Client, Blocking], troubles: list[Trouble], piece: int) -> list[int]:
    """Both end alike; returns what they saw."""
    server, sync, asynchronous = clients
    one, other = followed(server, sync, troubles, piece), followed(server, asynchronous, troubles, piece)
    assert one == other
    seen: list[int] = one[0]  # type: ignore[index]
    return seen


def test_a_drop_at_any_frame_and_in_its_middle_loses_nothing(clients: tuple[Player, Client, Blocking]) -> None:
    """Both see exactly 1..n, wherever the connection breaks, and again when it breaks there a second time."""
    places = [len(HEAD + "".join(LOG[:count])) for count in range(EVENTS + 1)]
    for place in [0, 1, *(at + step for at in places for step in (-1, 0, 1, 40)), len(WHOLE) - 1]:
        assert check_both(clients, [("cut", place), ("cut", place)], 1 << 20) == list(range(1, EVENTS + 1)), place


@pytest.mark.full
def test_a_drop_at_any_byte_loses_nothing(clients: tuple[Player, Client, Blocking]) -> None:
    """The same at every single byte."""
    for place in range(len(WHOLE)):
        assert check_both(clients, [("cut", place)], 1 << 20) == list(range(1, EVENTS + 1)), place


@BRIEF
@given(troubles=st.lists(PASSING, max_size=6), piece=st.sampled_from([1 << 20, 100, 7]))
def test_what_passes_costs_no_event(
    clients: tuple[Player, Client, Blocking], troubles: list[Trouble], piece: int
) -> None:
    """Drops, refusals, early ends and silence in any order: exactly 1..n, for both."""
    assert check_both(clients, troubles, piece) == list(range(1, EVENTS + 1))


@BRIEF
@given(troubles=st.lists(ANY, max_size=6), piece=st.sampled_from([1 << 20, 100]))
def test_whatever_happens_both_do_the_same(
    clients: tuple[Player, Client, Blocking], troubles: list[Trouble], piece: int
) -> None:
    """The same events, the same error with the same words, the same requests."""
    check_both(clients, troubles, piece)


@pytest.mark.full
@LONG
@given(troubles=st.lists(ANY, max_size=12), piece=st.sampled_from([1 << 20, 100, 7, 1]))
def test_whatever_happens_both_do_the_same_for_longer(
    clients: tuple[Player, Client, Blocking], troubles: list[Trouble], piece: int
) -> None:
    """More and longer scripts, different each time."""
    check_both(clients, troubles, piece)


LINES = st.sampled_from([
    b"", b"", b"data: x", b"data:y", b"data", b"data:  two", b"event: step.started", b"id: 3-9", b"id: \0",
    b": comment", b"retry: 20", b"retry: soon", b"unknown: z", b"data: \xc3\xa4", b":",
])  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(BRIEF, max_examples=300)
@given(lines=st.lists(st.tuples(LINES, ENDS), max_size=30), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_frames_are_those_of_another_decoder(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """In pieces cut anywhere: the same frames as a decoder that others use finds in the whole."""
    text = b"".join(line + end for line, end in lines) + b"\n\n"
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    decoder, found = Frames(), list[tuple[str, str, int | None]]()
    for start, end in itertools.pairwise(places):
        found += [(f.event, f.data.decode(), f.retry_ms) for f in decoder.feed(text[start:end])]

    request = httpx2.Request("GET", "http://127.0.0.1")
    whole = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=text, request=request)
    others = [(frame.event, frame.data, frame.retry) for frame in httpx2.EventSource(whole)]
    # At its end it takes what is incomplete; a frame of nothing but an id is none to us.
    assert [(kind or "message", *rest) for kind, *rest in found if kind or any(rest)] == [
        other for other in others if other != ("message", "", None)
    ]
