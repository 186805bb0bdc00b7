"""The format that transitions fill in gives the messages that Dramatiq would have written."""

import pytest
from dramatiq.encoder import PickleEncoder
from dramatiq.message import Message, get_encoder, set_encoder
from hypothesis import given
from hypothesis import strategies as st

from app.broker.message import decode
from app.dispatch.scripts import message_format

names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=20)
ids = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-:,"), min_size=1, max_size=40)


@given(names, names, ids, ids, st.integers(1, 10**9), st.booleans())
def test_a_filled_format_is_the_message_itself(
    queue: str, actor: str, task_id: str, spec: str, run_ms: int, traced: bool
) -> None:
    """Filled as `string.format` in Lua does it, it is the encoded message, field by field."""
    trace = ',"traceparent":"00-a-b-01"' if traced else ""

    filled = message_format() % (queue, actor, task_id, spec, run_ms, trace, f"{task_id}:{spec}", 1795000047123)

    assert decode(filled.encode()) == Message(
        queue_name=queue,
        actor_name=actor,
        args=(task_id, spec),
        kwargs={},
        options={"count_crashes": False, "run_ms_max": run_ms} | ({"traceparent": "00-a-b-01"} if traced else {}),
        message_id=f"{task_id}:{spec}",
        message_timestamp=1795000047123,
    )


def test_a_format_needs_a_json_encoder() -> None:
    """Pickled bytes cannot be filled in; that is said at once, not by broken messages."""
    usual = get_encoder()
    set_encoder(PickleEncoder())
    try:
        with pytest.raises(ValueError, match="JSON"):
            message_format()
    finally:
        set_encoder(usual)
