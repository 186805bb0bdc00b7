"""Task ids: sortable by time, unique, and readable again."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from app.model.task import created_ms, is_task_id, new_task_id

TIMES = st.integers(0, 2**48 - 1)
BITS = st.integers(0, 2**74 - 1)


@given(TIMES, BITS, st.integers(0, 36**4 - 1))
def test_an_id_holds_its_time_and_is_a_uuid7(now_ms: int, bits: int, shard: int) -> None:
    """Any time, any randomness, any shard gives a valid id from which the time can be read."""
    task_id = new_task_id(now_ms, bits, shard)

    assert is_task_id(task_id)
    assert created_ms(task_id) == now_ms
    assert uuid.UUID(task_id.split("-", 1)[1]).version == 7


@given(TIMES, BITS, TIMES, BITS)
def test_later_ids_sort_behind_earlier_ones(first_ms: int, first: int, second_ms: int, second: int) -> None:
    """Ids of one shard sort by time, and differ when time or randomness do."""
    one, two = new_task_id(first_ms, first), new_task_id(second_ms, second)

    assert (one == two) == ((first_ms, first) == (second_ms, second))
    if first_ms < second_ms:
        assert one < two


@given(st.text(max_size=60))
def test_other_text_is_no_id(text: str) -> None:
    """Whatever is not exactly an id is refused: nothing from a URL becomes part of a key unchecked."""
    assert not is_task_id(text)
    assert not is_task_id(new_task_id(1, 1) + text[:1] + "x")
