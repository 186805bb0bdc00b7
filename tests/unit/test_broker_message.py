"""Bytes that are messages, and bytes that are none."""

import json
from typing import Any

import pytest
from dramatiq.encoder import PickleEncoder
from dramatiq.errors import DecodeError
from dramatiq.message import Message, get_encoder, set_encoder
from hypothesis import given
from hypothesis import strategies as st

from app.broker.message import copied, decode, encoded

json_values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=30)


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


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=3), st.lists(json_values, max_size=3))
def test_the_short_way_to_bytes_gives_the_same_bytes(options: dict[str, Any], args: list[Any]) -> None:
    """Other Dramatiq programs read them: not one byte differs from what Dramatiq writes."""
    message: Message[Any] = Message("q", "a", tuple(args), {"k": 1}, options)

    assert encoded(message) == message.encode()


def test_a_copy_shares_all_but_the_options() -> None:
    """Middleware writes into the options of the copy only; id and time stay."""
    message: Message[Any] = Message("q", "a", (1,), {}, {"x": 1})

    copy = copied(message)
    copy.options["y"] = 2

    assert message.options == {"x": 1}
    assert copy == message.copy(options={"y": 2})


def test_messages_and_encoders_of_ones_own_keep_their_ways() -> None:
    """A subclass copies and encodes itself, and a program's encoder is used."""

    class Loud(Message[Any]):
        def encode(self) -> bytes:
            return b"loud"

    loud = Loud("q", "a", (), {}, {})
    plain: Message[Any] = Message("q", "a", (), {}, {})
    usual = get_encoder()
    set_encoder(PickleEncoder())
    try:
        pickled = encoded(plain)
    finally:
        set_encoder(usual)

    assert encoded(loud) == b"loud"
    assert type(copied(loud)) is Loud
    assert pickled == PickleEncoder().encode(plain.asdict())
