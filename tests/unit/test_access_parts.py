"""The small decisions about access: what a key is, where a request came in, which pages may ask."""

import ast
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.datastructures import Headers

from app.access.errors import ForeignHost, ForeignOrigin
from app.access.exposure import is_local, refuse_foreign_pages
from app.access.principal import OPEN, Principal, Scope
from app.access.record import KeyRecord, read_record
from app.access.token import ALPHABET, SECRET_CHARS, new_token, parse_token
from app.config import Settings
from app.loopback import is_loopback

ACCESS = Path(__file__).parent.parent.parent / "app" / "access"
RECORD: dict[str, Any] = {"sha256": "0" * 64, "tenant": "a", "scopes": ["read"], "name": "n", "created_ms": 1}


def test_a_key_has_256_bits_and_reads_back() -> None:
    """No two are the same, each is found again under its id, and its text is in no representation of it."""
    tokens = [new_token() for _ in range(50)]

    assert len(ALPHABET) ** SECRET_CHARS >= 2**256
    assert len({token.text for token in tokens}) == len({token.key_id for token in tokens}) == 50
    for token in tokens:
        assert parse_token(token.text) == token
        assert token.text not in repr(token)


@given(st.integers(0, 67), st.sampled_from(ALPHABET))
def test_a_mistyped_key_is_told_from_an_unknown_one(place: int, letter: str) -> None:
    """The checksum finds any wrong letter without asking anybody."""
    text = "sk_0123456789AB_" + "a" * 43 + "0dMkLT"
    token = parse_token(new_token().text)
    assert token is not None
    place %= len(token.text)
    wrong = token.text[:place] + letter + token.text[place + 1 :]

    assert parse_token(text) is None
    assert (parse_token(wrong) is None) == (wrong != token.text)


@pytest.mark.parametrize("text", ["", "sk_", "sk_a_b", "Bearer x", "sk_é", "sk_" + "a" * 500, "\n"])
def test_what_is_no_key_is_none(text: str) -> None:
    """Other text, of whatever kind and length."""
    assert parse_token(text) is None
    assert parse_token(new_token().text + text) is None or not text


def test_hashes_are_compared_in_constant_time() -> None:
    """In all of access a hash meets another only in `compare_digest`, and a key is looked up by its public id."""
    compared = [
        ast.unparse(node)
        for path in ACCESS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and "sha256" in ast.unparse(node)
    ]
    store = ast.parse((ACCESS / "keystore.py").read_text())
    calls = [ast.unparse(node) for node in ast.walk(store) if isinstance(node, ast.Call)]

    assert compared == []
    assert [call for call in calls if "compare_digest" in call] == [
        "hmac.compare_digest(token.sha256, record.sha256 if record else NOBODY)"
    ]


@pytest.mark.parametrize(
    "change",
    [{"tenant": tenant} for tenant in ("", "A", "a:b", "a b", "-a", "a\n", "é", "a" * 64, "{a}")]
    + [{"name": name} for name in ("", " a", "a\n", "a" * 65, "<b>")]
    + [{"scopes": []}, {"scopes": ["root"]}, {"sha256": "0"}],
)
def test_a_record_that_cannot_be_one_is_refused(change: dict[str, Any]) -> None:
    """Tenants are parts of Redis keys, names stand in events: neither may be any text."""
    with pytest.raises(ValidationError):
        KeyRecord.model_validate(RECORD | change)


def test_a_scope_of_a_later_version_takes_nothing_else_from_a_key() -> None:
    """While one version replaces another both read the key; what is left must be something."""
    record = read_record(orjson.dumps(RECORD | {"scopes": ["read", "of_later"], "more": 1}))

    assert record is not None
    assert record.scopes == {Scope.READ}
    assert read_record(orjson.dumps(RECORD | {"scopes": ["of_later"]})) is None


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"sha256": 1}', b'{"scopes": [[]]}', b'{"scopes": 1}', b"\xff"])
def test_an_unreadable_record_is_no_key(raw: bytes) -> None:
    """Whatever somebody has written into the hash opens nothing."""
    assert read_record(raw) is None


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ({Scope.READ}, {Scope.READ}),
        ({Scope.SUBMIT}, {Scope.SUBMIT}),
        ({Scope.METRICS}, {Scope.METRICS}),
        ({Scope.ADMIN}, set(Scope)),
        (set(), set()),
    ],
)
def test_admin_includes_the_other_scopes(scopes: set[Scope], may: set[Scope]) -> None:
    """And they do not include each other."""
    principal = Principal("k", "a", frozenset(scopes))

    assert {scope for scope in Scope if principal.may(scope)} == may
    assert all(OPEN.may(scope) for scope in Scope)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("127.0.0.1.example", False),
        ("localhost.example", False),
        ("2130706433", False),
    ],
)
def test_loopback_addresses_lead_to_this_machine_only(host: str, ours: bool) -> None:
    """Names that only look like one do not count."""
    assert is_loopback(host) is ours


@pytest.mark.parametrize(
    ("server", "headers", "local"),
    [
        (("127.0.0.1", 8000), [], True),
        (("::1", 8000), [], True),
        (("/run/api.sock", None), [], True),
        (("10.1.2.3", 8000), [], False),
        (("api", None), [], False),
        (None, [], False),
        (("127.0.0.1", 8000), [(b"x-forwarded-for", b"127.0.0.1")], False),
        (("127.0.0.1", 8000), [(b"forwarded", b"for=127.0.0.1")], False),
        (("10.1.2.3", 8000), [(b"host", b"127.0.0.1"), (b"x-forwarded-for", b"127.0.0.1")], False),
        (("127.0.0.1", 8000), [(b"x-forwarded-port", b"443")], False),
        (("/run/api.sock", None), [(b"x-real-ip", b"::1")], False),
    ],
)
def test_the_address_of_our_own_end_says_where_a_request_came_in(
    server: tuple[str, int | None] | None, headers: list[tuple[bytes, bytes]], local: bool
) -> None:
    """No header makes a request local; one that a proxy adds makes it foreign."""
    scope = {"type": "http", "http_version": "1.1", "server": server, "client": ("127.0.0.1", 1), "headers": headers}

    assert is_local(scope) is local
    assert not is_local(scope | {"http_version": "1.0"})


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({}, None),
        ({"host": "localhost:8000"}, None),
        ({"host": "127.0.0.1"}, None),
        ({"host": "[::1]:8000"}, None),
        ({"host": "app.localhost:8000"}, None),
        ({"host": "localhost."}, None),
        ({"host": "evil.example"}, ForeignHost),
        ({"host": "127.0.0.1.evil.example"}, ForeignHost),
        ({"host": "localhost@evil.example"}, ForeignHost),
        ({"host": "[::1"}, ForeignHost),
        ({"host": ""}, ForeignHost),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, None),
        ({"host": "localhost:8000", "origin": "HTTP://LOCALHOST:8000"}, None),
        ({"host": "localhost:8000", "origin": "http://localhost:3000"}, ForeignOrigin),
        ({"host": "localhost:8000", "origin": "https://evil.example"}, ForeignOrigin),
        ({"host": "localhost:8000", "origin": "null"}, ForeignOrigin),
        ({"host": "localhost:8000", "origin": ""}, ForeignOrigin),
        ({"host": "localhost:8000", "origin": "https://app.example"}, None),
        ({"origin": "https://evil.example"}, ForeignOrigin),
        ({"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, ForeignOrigin),
        ({"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, None),
        ({"host": "localhost", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, None),
        ({"host": "localhost", "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, None),
        ({"host": "a.localhost", "sec-fetch-site": "cross-site", "origin": "https://app.example"}, None),
    ],
)
def test_pages_from_elsewhere_are_refused(headers: dict[str, str], refusal: type[Exception] | None) -> None:
    """By the name they came under, or the origin they have."""
    allowed = ("https://app.example",)
    if refusal is None:
        refuse_foreign_pages(Headers(headers), allowed)
        return
    with pytest.raises(refusal):
        refuse_foreign_pages(Headers(headers), allowed)


def test_a_host_or_origin_given_twice_is_refused() -> None:
    """Two of them are read differently by different programs."""
    twice = [(b"host", b"localhost"), (b"host", b"evil.example")]
    with pytest.raises(ForeignHost):
        refuse_foreign_pages(Headers(raw=twice), ())
    origins = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"origin", b"http://evil.example")]
    with pytest.raises(ForeignOrigin):
        refuse_foreign_pages(Headers(raw=origins), ())


@pytest.mark.parametrize("origin", ["*", "null", "https://a.example/", "https://*.example", "a.example", "HTTPS://A"])
def test_an_origin_is_named_exactly_or_not_at_all(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    """No wildcard, no path: such a setting ends the start."""
    monkeypatch.setenv("STEPSTREAM_CORS_ORIGINS", f"https://app.example:8443,http://[::1]:3000,{origin}")

    with pytest.raises(ValidationError, match="origin"):
        Settings()
