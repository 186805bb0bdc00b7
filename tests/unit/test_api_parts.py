"""The small decisions of the HTTP edge."""

import json
import re
from inspect import getsource, isasyncgenfunction, iscoroutinefunction
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st

from app.api.accept import HTML, JSON, MARKDOWN, negotiated
from app.api.event_stream import chunks
from app.api.prefer import wait_seconds
from app.api.problems import KINDS
from app.api.tasks import matches
from app.api.type_filter import TypeFilter, known_types
from app.errors import StepstreamError
from app.events import middleware
from app.events.log import StoredEvent
from app.events.sse import frame
from app.main import create_app
from app.model.fire import WORKER_TYPES
from app.model.task import Moment
from app.model.times import parse_moment


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("text/markdown", MARKDOWN),
        ("text/*", MARKDOWN),
        ("text/*;q=0.5, text/html", HTML),
        ("text/markdown, application/json;q=0.5", MARKDOWN),
        ("text/markdown;q=0.5, application/json", JSON),
        ("text/markdown;q=0.9, */*;q=0.8", MARKDOWN),
        ("*/*, text/markdown;q=0.9, application/json;q=0.1, text/html;q=0", MARKDOWN),
        ("TEXT/HTML ; Q=1.0", HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        ("text/markdown;variant=GFM;q=0.7, text/html;q=0.6, application/json;q=0", MARKDOWN),
        ("image/png, text/markdown;q=0", JSON),
        ("text/markdown;q=junk, text/html;q=2, application/json;q=0.0001", JSON),
    ],
)
def test_an_accept_header_is_weighed(accept: str, best: str) -> None:
    """The highest rank wins, the most specific range counts, and JSON is what is left when nothing fits."""
    assert negotiated(accept, (JSON, MARKDOWN, HTML)) == best


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (["wait=5"], 5),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["WAIT = 3"], 3),
        (['wait="7"'], 7),
        (["wait=61"], 60),
        (["wait=" + "0" * 5000 + "9" * 5000], 60),
        (["wait=0"], 0),
        (['handling="strict, wait=9", wait=2; x=1'], 2),
        (["wait=x, wait=4"], None),
        (["wait"], None),
        (["wait=-1"], None),
        (["wait=\u0663"], None),
        ([], None),
    ],
)
def test_a_preferred_wait_is_read(prefer: list[str], seconds: int | None) -> None:
    """RFC 7240: the first of a name counts, values may be quoted, and what cannot be read is no preference."""
    assert wait_seconds(prefer) == seconds


@pytest.mark.parametrize(
    ("wanted", "passing"),
    [
        (None, {"step.started", "step.completed", "task.failed"}),
        ("", {"step.started", "step.completed", "task.failed"}),
        ("step.started", {"step.started", "task.failed"}),
        ("step.*", {"step.started", "step.completed", "task.failed"}),
        ("nothing", {"task.failed"}),
    ],
)
def test_a_filter_never_holds_back_the_end(wanted: str | None, passing: set[str]) -> None:
    """Names and prefixes select; terminal events pass always."""
    kinds = ("step.started", "step.completed", "task.failed")
    events = [StoredEvent(1, 0, json.dumps({"type": kind}).encode()) for kind in kinds]

    assert {event.type for event in events if TypeFilter(wanted)(event)} == passing


@pytest.mark.parametrize("wanted", ["", ",", "*", "step.*, task.started", "st*", "worker.up,message.*"])
def test_types_that_there_are_may_be_asked_for(wanted: str) -> None:
    """Of tasks and of workers, whole names and beginnings."""
    assert known_types(wanted) == wanted


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [
        ("task.started,stpe.started", "'stpe.started' is no type of event; did you mean step.started?"),
        ("Step.Started", "did you mean step.started?"),
        ("*.failed", "did you mean task.failed?"),
        ("stp.*", "did you mean step.*?"),
        ("worker.gone", "did you mean worker.down?"),
        ("foo.*", "'foo.*' is no type of event; there are task.*, plan.*, step.*, "),
        ("\u20ac" * 60_000, "there are task.*, plan.*, step.*, "),
        ("step.*," * 51, "names 51 types; at most 50 are allowed"),
    ],
    ids=["typo", "capitals", "suffix", "family", "worker", "strange", "long", "many"],
)
def test_a_type_that_no_event_has_is_refused_with_the_nearest(wanted: str, advice: str) -> None:
    """Whoever waits for a slip of the pen would wait for ever."""
    with pytest.raises(ValueError, match=re.escape(advice)) as caught:
        known_types(wanted)

    assert len(str(caught.value)) < 250


def test_what_workers_tell_is_known_to_those_who_ask_for_it() -> None:
    """The list of the types that may be asked for, and the bus that writes them."""
    assert set(re.findall(r'_append\("([a-z.]+)"', getsource(middleware))) == WORKER_TYPES


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=12))
def test_frames_are_joined_without_loss(ready: list[bytes]) -> None:
    """Chunks put together are the frames put together, and no chunk is larger than it must be."""
    joined = list(chunks(ready))

    assert b"".join(joined) == b"".join(ready)
    assert all(len(chunk) <= 64 << 10 or chunk in ready for chunk in joined)


def test_a_line_break_cannot_split_a_frame() -> None:
    """White space between JSON tokens is dropped before it could end the data line."""
    body = frame("1-2", "a.b", b'{"a":\n1,\r"b":"x\\ny"}')

    assert body == b'id: 1-2\nevent: a.b\ndata: {"a":1,"b":"x\\ny"}\n\n'


def test_every_deliberate_error_has_a_status() -> None:
    """No error of the tree that can reach a route becomes a 500 by omission."""
    reaching = [error for error in StepstreamError.__subclasses__() if error.__module__.startswith("app.errors")]

    known = [error for error in reaching if error in KINDS]
    assert {error.__name__ for error in reaching} - {error.__name__ for error in known} == {"AgentError"}


def test_no_dependency_of_a_route_is_run_in_a_thread() -> None:
    """The framework hands plain functions to threads, which costs more than a small request itself."""
    found = [getattr(route, "dependant", None) for route in iter_route_contexts(create_app().routes)]
    waiting = [dependant for dependant in found if dependant]
    assert len(waiting) > 20
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        call = dependant.call
        assert runs_in_the_loop(call) or runs_in_the_loop(type(call).__call__), call


def runs_in_the_loop(call: Any) -> bool:
    return iscoroutinefunction(call) or isasyncgenfunction(call)


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ('"5-running"', True),
        ('W/"5-running"', True),
        ('"4-running", "5-running"', True),
        ("*", True),
        ('"5-paused"', False),
        ("5-running", False),
        ("", False),
    ],
)
def test_an_entity_tag_is_compared(header: str, same: bool) -> None:
    """Weak and strong tags are the same to If-None-Match, and a star is any version."""
    assert matches(header, '"5-running"') is same


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("PT30S", Moment(30_000, relative=True)),
        ("PT0.25S", Moment(250, relative=True)),
        ("P1W2DT3H4M5S", Moment(((9 * 24 + 3) * 60 + 4) * 60_000 + 5_000, relative=True)),
        ("PT0S", Moment(0, relative=True)),
        ("1970-01-01T00:00:01Z", Moment(1_000)),
        ("1970-01-01t01:00:00.123456789+01:00", Moment(123)),
        ("1969-12-31T23:59:59Z", Moment(-1_000)),
    ],
)
def test_a_moment_is_a_time_or_a_duration(text: str, moment: Moment) -> None:
    """Both are exact to the millisecond, rounded down."""
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "value",
    [
        30, 30.5, True, None, "", "30", "soon", "P", "PT", "P1DT", "P1Y", "P1M", "-PT1S", "+PT1S", "pt1s", "PT1.5H",
        "2026-05-01", "2026-05-01T12:00:00", "2026-05-01 12:00:00Z", "2026-05-01T12:00Z", "2026-02-30T12:00:00Z",
        "2026-05-01T12:00:00+0100", "1700000000", "P999999999W", "PT\u0661S", ["PT1S"],
    ],
)  # fmt: skip
def test_what_has_no_single_meaning_is_no_moment(value: object) -> None:
    """Numbers, times without an offset, years and months, and what lies before now are refused in a sentence."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse_moment(value)
