"""The queue between consumer and worker threads."""

import threading
from dataclasses import dataclass
from queue import Empty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.broker.workqueue import WorkQueue


@dataclass(frozen=True, order=True)
class Item:
    """As Dramatiq's: ordered by priority, then by arrival."""

    priority: int
    number: int


def drained(queue: WorkQueue) -> list[Item]:
    got = []
    while not queue.empty():
        got.append(queue.get_nowait())
        queue.task_done()
    return got


@given(st.lists(st.integers(-3, 3), max_size=50))
def test_nothing_gets_lost_and_later_items_come_in_order_of_priority(priorities: list[int]) -> None:
    """From the first other priority on items come out sorted; what was there before it keeps its place."""
    queue = WorkQueue()
    items = [Item(priority, number) for number, priority in enumerate(priorities)]
    first_other = next((n for n, priority in enumerate(priorities) if priority != priorities[0]), len(priorities))

    for item in items:
        queue.put(item)
    got = drained(queue)

    assert got[:first_other] == items[:first_other]
    assert got[first_other:] == sorted(items[first_other:])
    assert queue.unfinished_tasks == 0


def test_an_empty_queue_says_so() -> None:
    """At once or after a while, with the exception that Dramatiq's worker expects."""
    queue = WorkQueue()

    with pytest.raises(Empty):
        queue.get_nowait()
    with pytest.raises(Empty):
        queue.get(timeout=0.01)


def test_join_waits_until_all_is_done() -> None:
    """It returns with the last task_done, not with the last get."""
    queue = WorkQueue()
    queue.put(Item(0, 1))
    queue.get()
    joined = threading.Thread(target=queue.join)
    joined.start()
    waiting = joined.is_alive()

    queue.task_done()
    joined.join(timeout=5)

    assert waiting
    assert not joined.is_alive()


def test_what_a_thread_took_is_known_until_it_is_done() -> None:
    """Who finds a thread dead finds its item, and says in its name that it is done."""
    queue = WorkQueue()
    queue.put(Item(0, 1))
    thread = threading.Thread(target=queue.get)
    thread.start()
    thread.join()

    found = queue.abandoned_by(thread)
    queue.task_done(thread)

    assert found == Item(0, 1)
    assert queue.abandoned_by(thread) is None
    assert queue.unfinished_tasks == 0
