"""Templates that scripts fill in, and bytes that are no messages."""

import json
from typing import Any

import pytest
from dramatiq.encoder import PickleEncoder
from dramatiq.errors import DecodeError
from dramatiq.message import Message, get_encoder, set_encoder
from hypothesis import given
from hypothesis import strategies as st

from app.broker.message import decode, message_template

names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=20)
ids = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-:,|"), min_size=1, max_size=40)
json_values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=30)


@given(names, names, st.lists(json_values, max_size=3), st.dictionaries(names, json_values, max_size=3), ids, ids)
def test_a_filled_template_is_the_message_itself(
    queue: str, actor: str, prefix: list[Any], options: dict[str, Any], spec: str, message_id: str
) -> None:
    """Concatenating parts and holes, as a script does, gives the encoded message, field by field."""
    part0, part1, part2, part3 = message_template(queue, actor, prefix, options).split("\n")

    filled = part0 + spec + part1 + message_id + part2 + "1795000047123" + part3

    assert decode(filled.encode()) == Message(
        queue_name=queue,
        actor_name=actor,
        args=(*prefix, spec),
        kwargs={},
        options=options,
        message_id=message_id,
        message_timestamp=1795000047123,
    )


def test_a_template_needs_a_json_encoder() -> None:
    """Pickled bytes cannot be filled in; that is said at once, not by broken messages."""
    usual = get_encoder()
    set_encoder(PickleEncoder())
    try:
        with pytest.raises(ValueError, match="JSON"):
            message_template("default", "work")
    finally:
        set_encoder(usual)


@pytest.mark.parametrize(
    "change",
    [{"options": None}, {"kwargs": []}, {"message_id": 7}, {"actor_name": None}, {"args": 1}, {"extra": 1}],
    ids=str,
)
def test_json_that_is_no_usable_message_is_refused(change: dict[str, Any]) -> None:
    """A field of the wrong type would otherwise end the consumer thread later."""
    fields = Message(queue_name="default", actor_name="work", args=(), kwargs={}, options={}).asdict()

    with pytest.raises(DecodeError):
        decode(json.dumps({**fields, **change}).encode())
