"""A topic's ring stays contiguous, bounded and true, whatever order events reach it in."""

from hypothesis import given
from hypothesis import strategies as st

from app.events.log import Cursor, StoredEvent
from app.events.topic import TAIL_KEPT, Bell, Place, Topic

RING_MAX = 32


def event(seq: int, rand: int = 7) -> StoredEvent:
    return StoredEvent(seq, rand, b"{}")


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), max_size=30))
def test_what_a_ring_gives_out_follows_on(runs: list[tuple[int, int]]) -> None:
    """Behind any position there is either nothing or an unbroken run that begins with the next event."""
    topic = Topic("t", RING_MAX)
    for first, count in runs:
        topic.absorb([event(seq) for seq in range(first, first + count)])

    for seq in range(90):
        found = [found.seq for found in topic.after(seq)]
        assert found == list(range(seq + 1, seq + 1 + len(found)))
        assert len(found) <= RING_MAX
    assert topic.newest.seq == max((first + count - 1 for first, count in runs), default=0)
    assert topic.epoch == 0


def test_another_random_half_is_a_rollback() -> None:
    """The same number with other content voids what was known."""
    topic = Topic("t", RING_MAX)
    topic.absorb([event(1), event(2), event(3)])

    topic.absorb([event(2, rand=8)])

    assert topic.epoch == 1
    assert topic.newest == Cursor(2, 8)
    assert [found.id for found in topic.after(1)] == ["2-8"]


def test_events_that_all_viewers_have_are_let_go() -> None:
    """A ring serves those behind; it does not hoard."""
    topic = Topic("t", RING_MAX)
    place = Place(Cursor(), Bell())
    topic.places.add(place)
    topic.absorb([event(seq) for seq in range(1, RING_MAX + 1)])
    assert len(topic.after(0)) == RING_MAX

    place.cursor = Cursor(RING_MAX, 7)
    topic.absorb([event(RING_MAX + 1)])

    assert topic.after(0) == []
    assert len(topic.after(RING_MAX + 1 - TAIL_KEPT)) == TAIL_KEPT


def test_a_comparison_ignores_what_came_since_it_was_asked() -> None:
    """A stored end that is older than pushes received meanwhile is no rollback."""
    topic = Topic("t", RING_MAX)
    topic.absorb([event(1)])
    before = (topic.epoch, topic.newest)
    topic.absorb([event(2)])

    topic.compare(before, event(1))

    assert (topic.epoch, topic.newest.seq) == (0, 2)


def test_a_stored_end_behind_what_was_known_is_a_rollback() -> None:
    """The tail is gone, so viewers start over."""
    topic = Topic("t", RING_MAX)
    topic.absorb([event(1), event(2)])

    topic.compare((topic.epoch, topic.newest), event(1))

    assert topic.epoch == 1
