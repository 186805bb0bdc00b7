"""The client's key: where it comes from, and where it never goes."""

import pytest

from app.client import ApiError, ApiUnreachable, Client, KeyExposed
from tests.unit.conftest import Connect
from tests.unit.scripted_server import VIEW, ScriptedServer, say

KEY = "sk_id_secret"
TASK = say(200, VIEW, content_type="application/json")


def keys_seen(server: ScriptedServer) -> list[str | None]:
    return [headers.get("authorization") for _, _, headers, _ in server.asked]


def test_a_key_is_sent_with_every_request_and_stream(server: ScriptedServer, connect: Connect) -> None:
    """It goes into the Authorization header and nowhere else."""
    server.answers = [TASK, say(204)]

    with connect(server.url, KEY) as api:
        api.task("0-x")
        list(api.follow("0-x"))

    assert keys_seen(server) == [f"Bearer {KEY}"] * 2
    assert not any(KEY in path for _, path, _, _ in server.asked)


def test_the_environment_has_the_key_when_nothing_is_said(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STEPSTREAM_API_KEY is read; a key that is handed over wins, and an empty one is none."""
    server.answers = [TASK]
    for key in ("sk_env_secret", ""):
        monkeypatch.setenv("STEPSTREAM_API_KEY", key)
        with Client(server.url) as api, Client(server.url, KEY) as other:
            api.task("0-x")
            other.task("0-x")

    assert keys_seen(server) == ["Bearer sk_env_secret", f"Bearer {KEY}", None, f"Bearer {KEY}"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_takes_the_key_nowhere(server: ScriptedServer, connect: Connect, status: int) -> None:
    """Redirects are refusals: not even the same address is asked again."""
    server.answers = [say(status, Location=f"http://127.0.0.1:{server.server_address[1]}/elsewhere"), TASK]

    with connect(server.url, KEY) as api, pytest.raises(ApiError) as refused:
        api.task("0-x")

    assert refused.value.status == status
    assert len(server.asked) == 1


def test_a_key_is_not_sent_in_the_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http is for this machine, and for networks that somebody has said to be trusted."""
    for url in ("http://api.example", "http://10.0.0.1:8000", "http://127.0.0.1.example"):
        with pytest.raises(KeyExposed, match="https"):
            Client(url, KEY)
    for url in ("https://api.example", "http://localhost:8000", "http://[::1]:8000"):
        Client(url, KEY)
    Client("http://api.example", KEY, allow_insecure=True)
    monkeypatch.setenv("STEPSTREAM_ALLOW_INSECURE", "1")
    Client("http://api.example", KEY)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost:8000", "ftp://api.example", ""])
def test_an_address_that_is_none_is_said_to_be_so(url: str) -> None:
    """Not the key is at fault, and it goes nowhere."""
    with pytest.raises(ApiUnreachable, match="protocol"), Client(url, KEY) as api:
        api.task("0-x")


@pytest.mark.parametrize("key", ["sk_a_b\r\nX-Evil: 1", "sk a b", "ké"])
def test_what_cannot_be_a_key_never_becomes_a_header(key: str) -> None:
    """Line ends and the like are refused before anything is sent."""
    with pytest.raises(ValueError, match="characters"):
        Client("http://127.0.0.1", key)
