"""Templates that scripts fill in, and bytes that are no messages."""

import json
from typing import Any

import pytest
from dramatiq.encoder import PickleEncoder
from dramatiq.errors import DecodeError
from dramatiq.message import Message, get_encoder, set_encoder
from hypothesis import given
from hypothesis import strategies as st

from app.broker.message import copied, decode, encoded, message_template

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
