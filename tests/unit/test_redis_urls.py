"""Urls with Sentinels: what is read from them, and what is none."""

from typing import Any

import pytest
import redis
from redis.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection

from app import redis_urls
from app.local_redis import BadUrl, require_url, without_password


@pytest.mark.parametrize(
    ("url", "name", "sentinels", "settings", "of_sentinels"),
    [
        ("redis+sentinel://a/m", "m", [("a", 26379)], {"db": 0}, {}),
        ("redis+sentinel://u:p@a/m", "m", [("a", 26379)], {"db": 0, "username": "u", "password": "p"}, {}),
        ("redis+sentinel://a:1,b,[::1]:3/m/2", "m", [("a", 1), ("b", 26379), ("::1", 3)], {"db": 2}, {}),
        (
            "redis+sentinel://u:p%2Fw@a:1/m?sentinel_username=s&sentinel_password=t&client_name=x",
            "m",
            [("a", 1)],
            {"db": 0, "username": "u", "password": "p/w", "client_name": "x"},
            {"username": "s", "password": "t"},
        ),
        (
            "rediss+sentinel://a:1/m?ssl_ca_certs=/ca",
            "m",
            [("a", 1)],
            {"db": 0, "ssl": True, "ssl_ca_certs": "/ca"},
            {"ssl": True, "ssl_ca_certs": "/ca"},
        ),
    ],
)
def test_a_url_is_read(
    url: str, name: str, sentinels: list[Any], settings: dict[str, Any], of_sentinels: dict[str, Any]
) -> None:
    """The master's name, the addresses, and who gets which password: Sentinels never that of the master."""
    found = redis_urls.read(url, {})

    assert (found.name, found.sentinels) == (name, sentinels)
    assert (found.settings, found.sentinel_settings) == (settings, of_sentinels)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:1", "redis+sentinel://a:1/", "redis+sentinel:///m", "redis+sentinel://a:x/m",
        "redis+sentinel://a,,b/m", "redis+sentinel://a/m/x", "redis+sentinel://p/w@a/m",
        "redis+sentinel://" + ",".join("abcdefghijklmnopq") + "/m",
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_refused(url: str) -> None:
    """Before anybody is asked, and without the url in the words."""
    with pytest.raises(BadUrl) as refused:
        require_url(url)

    assert url not in str(refused.value)


def test_connections_have_limits_and_never_send_again() -> None:
    """To the master and to the Sentinels alike; by TLS where the url says so."""
    client = redis_urls.sync_client("rediss+sentinel://a:1/m", timeout_s=5, connect_timeout_s=2)
    pool = client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    asked: redis.Redis = pool.sentinel_manager.sentinels[0]

    assert pool.connection_class is SentinelManagedSSLConnection
    for settings in (pool.connection_kwargs, asked.connection_pool.connection_kwargs):
        assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (5, 2)
        assert settings["retry"].get_retries() == 0


def test_a_place_beside_the_server_is_known() -> None:
    """By which a process finds out which of its own addresses others reach."""
    assert redis_urls.nearest("redis://:p@redis.internal/0") == ("redis.internal", 6379)
    assert redis_urls.nearest("redis+sentinel://:p@a:1,b:2/m/0") == ("a", 1)


def test_a_password_is_not_shown() -> None:
    """Of a url with Sentinels neither."""
    assert without_password("redis+sentinel://api:secret@a:1,b:2/m/0?sentinel_password=s") == (
        "redis+sentinel://a:1,b:2/m/0"
    )
