"""What may stand in a log: no secret, no control character, nothing without a limit."""

from enum import StrEnum
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.logs.cleaning import CHARS_MAX, ITEMS_MAX, clean, clean_text
from app.logs.lines import json_line

CANARY = "c4n4ry-Secret.0/x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"sk_a1B2_{CANARY} was refused", "sk_a1B2_[redacted] was refused"),
        ("model key sk-proj-c4n4ry_Secret", "model key sk-[redacted]"),
        (f"Authorization: Bearer {CANARY}", "Authorization: [redacted] [redacted]"),
        (f"with 'bearer {CANARY}'", "with 'bearer [redacted]'"),
        (f"authorization=Basic {CANARY}", "authorization=[redacted] [redacted]"),
        (f"redis://user:{CANARY}@db:6379/0 is away", "redis://[redacted]@db:6379/0 is away"),
        (f"redis://:{CANARY}@one/0,redis://:{CANARY}@two/0", "redis://[redacted]@two/0"),
        (f"https://{CANARY.replace('/', '')}@example.org/a", "https://[redacted]@example.org/a"),
        (f"GET /x?a=1&api_key={CANARY}&b=2", "GET /x?a=1&api_key=[redacted]&b=2"),
        (f'{{"password": "{CANARY}", "a": 1}}', '{"password": "[redacted]", "a": 1}'),
        (f"token = {CANARY}", "token = [redacted]"),
        ("GET https://example.org:8000/a/b?c=d", "GET https://example.org:8000/a/b?c=d"),
        ("input_tokens=12 steps=3 risk_a_b", "input_tokens=12 steps=3 risk_a_b"),
        ("a secretary's basic idea, and the tokens", "a secretary's basic idea, and the tokens"),
    ],
)
def test_a_secret_in_a_text_is_cut_out(text: str, shown: str) -> None:
    """Keys, headers, addresses and assignments keep what is around the secret; other texts stay as they are."""
    assert clean_text(text) == shown


@pytest.mark.parametrize(
    "name",
    ["Authorization", "http.authorization", "cookie", "set-cookie", "db_password", "api_key", "X-Api-Key", "apikey",
     "client_secret", "token", "access_token", "credentials", "private_key"],
)  # fmt: skip
def test_what_a_name_gives_away_is_not_shown(name: str) -> None:
    """At any depth, whatever the value is."""
    assert clean({name: CANARY, "in": [{name: {"deep": CANARY}}]}) == {
        name: "[redacted]",
        "in": [{name: "[redacted]"}],
    }


@pytest.mark.parametrize("name", ["tokens", "key_id", "task_id", "idempotency_sha256", "secretary", "author"])
def test_other_names_are_shown(name: str) -> None:
    """Counting tokens is no secret."""
    assert clean({name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "a\x1b[31mb"[:2] + "b", "a\x9bb", "a\u2028b", "a\u202eb", "a\x00b", "a\x7fb", "a\ud800b"]
)
def test_control_characters_become_a_space(text: str) -> None:
    """Nothing begins another line, and nothing acts on a terminal."""
    assert clean_text(text) == "a b"


def test_everything_has_a_limit() -> None:
    """Long texts, long lists, deep nesting and numbers that JSON readers cannot hold."""
    deep: object = []
    for _ in range(5000):
        deep = [deep]
    shown = clean({"text": "x" * 10**6, "list": list(range(10**4)), "deep": deep, "number": 10**40, "bytes": b"\xff"})

    assert len(shown["text"]) <= CHARS_MAX
    assert len(shown["list"]) == ITEMS_MAX
    assert len(orjson.dumps(shown)) < 3 * CHARS_MAX
    assert shown["number"] == "1" + "0" * 40
    assert shown["bytes"] == "�"


def test_no_half_of_a_secret_is_left_where_a_text_is_cut() -> None:
    """The text is looked through before it is cut; its beginning and its end are kept."""
    for length in range(0, 5 * CHARS_MAX, 41):
        text = f"begin {'x' * length} sk_a1_{CANARY} {'y' * 5 * CHARS_MAX} end"
        shown = clean_text(text)

        assert CANARY[:4] not in shown
        assert shown.startswith("begin ")
        assert shown.endswith(" end")


def test_anything_can_be_logged() -> None:
    """Paths, enumerations, errors, and objects whose own text fails."""

    class Colour(StrEnum):
        RED = "red"

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    shown = clean({"path": Path("/a"), "enum": Colour.RED, "error": ValueError("no"), "broken": Broken(), 1: {2: None}})

    assert shown == {"path": "/a", "enum": "red", "error": "no", "broken": "<Broken>", "1": {"2": None}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), JSON))
def test_what_is_clean_is_one_line_of_json(fields: dict[str, object]) -> None:
    """Whatever the fields are, and in whatever encoding the line is written."""
    line = json_line(clean(fields))

    assert line.isascii()
    assert line.isprintable()
    assert len(orjson.loads(line)) <= len(fields)
