"""The small parts of the broker: keys, levels, backoff, script files, hooks, room."""

import hashlib
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from dramatiq.middleware import Middleware
from hypothesis import given
from hypothesis import strategies as st
from redis import exceptions

import app.broker
from app.broker import Level, QueueKeys, Release, tag
from app.broker.backoff import Backoff
from app.broker.emission import Hooks
from app.broker.errors import is_group_missing, is_passing
from app.broker.held import Slots
from app.broker.scripts import load_script

LUA = Path(app.broker.__file__).parent / "lua"


def test_all_keys_of_a_queue_lie_in_one_cluster_slot() -> None:
    """Every key begins with the same hash tag."""
    keys = QueueKeys(tag("stepstream", 3), "retriever")

    every = [*keys.streams, keys.due, keys.due_bodies, keys.dlq, keys.dlq_bodies, keys.dlq_meta, keys.sweep, keys.wake]

    assert all(key.startswith("{stepstream:3}:") for key in every)
    assert len(set(every)) == len(every)
    assert keys.stream() == "{stepstream:3}:q:retriever"


@pytest.mark.parametrize(
    ("priority", "level"),
    [(None, Level.NORMAL), (0, Level.HIGH), (2, Level.HIGH), (3, Level.NORMAL), (6, Level.NORMAL), (7, Level.LOW)],
)
def test_a_priority_has_a_level(priority: int | None, level: Level) -> None:
    """0-2 high, 3-6 normal, 7-9 low."""
    assert QueueKeys.level(priority) is level


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_out_of_range_is_refused(priority: int) -> None:
    """A typo must not quietly become the lowest level."""
    with pytest.raises(ValueError, match="between 0 and 9"):
        QueueKeys.level(priority)


@given(st.integers(0, 10_000), st.integers(0, 100_000), st.floats(1, 10), st.integers(1, 200), st.integers())
def test_a_delay_stays_below_its_ceiling_and_its_maximum(
    base_ms: int, more_ms: int, factor: float, failures: int, seed: int
) -> None:
    """Full jitter: anything from 0 to the exponential ceiling, which never falls and never passes the maximum."""
    backoff = Backoff(base_ms, base_ms + more_ms, factor)

    delay_ms = backoff.delay_ms(failures, Random(seed))

    assert 0 <= delay_ms <= backoff.ceiling_ms(failures) <= backoff.max_ms
    assert backoff.ceiling_ms(failures) <= backoff.ceiling_ms(failures + 1)
    assert backoff.ceiling_ms(1) == base_ms


def test_a_senseless_backoff_is_refused() -> None:
    """A maximum below the base would be a constant that looks like a backoff."""
    with pytest.raises(ValueError, match="base_ms"):
        Backoff(base_ms=10, max_ms=5)


def test_an_included_file_comes_behind_the_first_line() -> None:
    """The shebang stays first, or the server would not see it; the hash is that of the whole text."""
    script = load_script("app.broker", "enqueue.lua", includes=("_layout.lua", "_put.lua"))

    first, _, rest = script.source.partition("\n")

    assert first == "#!lua"
    assert rest.index("local function put_all") < rest.index("put_all(3, 3")
    assert script.name == "enqueue"
    assert script.sha1 == hashlib.sha1(script.source.encode()).hexdigest()


def test_an_include_may_come_from_another_package() -> None:
    """`package:file.lua` names a file of someone else's."""
    script = load_script("app.broker", "ack.lua", includes=("app.broker:_owner.lua",))

    assert "local function owns" in script.source


def test_a_library_file_is_no_script() -> None:
    """A file without a shebang is refused when it is loaded, not when memory is short."""
    with pytest.raises(ValueError, match="#!lua"):
        load_script("app.broker", "_put.lua")


@pytest.mark.parametrize("path", sorted(LUA.glob("*.lua")), ids=lambda path: path.name)
def test_only_a_users_sending_is_refused_when_memory_is_short(path: Path) -> None:
    """Every other script may write over maxmemory, so that what is queued drains."""
    first = path.read_text().partition("\n")[0]

    if not path.name.startswith("_"):
        assert ("allow-oom" in first) == (path.name not in {"enqueue.lua", "send.lua"})


def test_hooks_that_nobody_wrote_are_not_called() -> None:
    """Only overridden methods count; `after_` hooks run backwards; a new middleware is seen."""

    class First(Middleware):
        def before_ack(self, broker: Any, message: Any) -> None: ...

        def after_ack(self, broker: Any, message: Any) -> None: ...

    class Second(First):
        def before_nack(self, broker: Any, message: Any) -> None: ...

    middleware: list[Middleware] = [First(), Middleware()]
    hooks = Hooks(middleware)
    assert [type(m) for m, _ in hooks.of("before_ack")] == [First]

    middleware.append(Second())

    assert [type(m) for m, _ in hooks.of("before_ack")] == [First, Second]
    assert [type(m) for m, _ in hooks.of("after_ack")] == [Second, First]
    assert [type(m) for m, _ in hooks.of("before_nack")] == [Second]
    assert hooks.of("before_enqueue") == ()


def test_room_is_the_smaller_of_prefetch_and_what_the_threads_need() -> None:
    """Queues share the room of their process."""
    slots = Slots(threads=1, lookahead=2)

    slots.take("a", 2)

    assert slots.wait_for_room("a", prefetch=2, timeout_s=0) == 0
    assert slots.wait_for_room("b", prefetch=5, timeout_s=0) == 1


def test_a_freed_slot_wakes_who_waits() -> None:
    """No polling: the waiter returns as soon as there is room."""
    slots = Slots()
    slots.take("a")
    got: list[int] = []
    waiter = threading.Thread(target=lambda: got.append(slots.wait_for_room("a", 1, timeout_s=10)))
    waiter.start()

    slots.free("a")
    waiter.join(timeout=5)

    assert got == [1]


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (exceptions.ConnectionError("gone"), True),
        (exceptions.TimeoutError("slow"), True),
        (ConnectionResetError(), True),
        (exceptions.ResponseError("MISCONF cannot persist"), True),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas"), True),
        (exceptions.ResponseError("BUSY Redis is busy running a script"), True),
        (exceptions.ResponseError("BUSYGROUP name exists"), False),
        (exceptions.ResponseError("WRONGTYPE"), False),
        (exceptions.AuthenticationError("who?"), False),
    ],
    ids=str,
)
def test_only_errors_that_pass_are_waited_for(error: Exception, passing: bool) -> None:
    """What waiting cannot cure is not repeated."""
    assert is_passing(error) is passing


def test_both_answers_to_a_vanished_group_are_known() -> None:
    """7.0 says UNBLOCKED to a blocked reader, later servers NOGROUP."""
    assert is_group_missing(exceptions.ResponseError("UNBLOCKED the stream key no longer exists"))
    assert is_group_missing(exceptions.ResponseError("NOGROUP No such key"))
    assert not is_group_missing(exceptions.ConnectionError("NOGROUP"))


def test_release_is_a_retry_for_other_brokers() -> None:
    """Under any other broker the message is at least tried again, after the same delay."""
    assert Release(delay_ms=50).delay == 50
