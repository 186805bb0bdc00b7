"""The url of a Redis: what is understood, and what of it may be shown."""

import pytest

from app import local_redis


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:p@ss/w@127.0.0.1:1/0", "redis://127.0.0.1:1/0"),
        ("redis://h:1/0?password=SECRET", "redis://h:1/0"),
        ("redis://u:SECRET@[::1]:1/3#x", "redis://[::1]:1/3"),
        ("redis://h:1/0?password=SEC@RET", "redis://..."),
        ("redis://:SEC?RET@h:1/0", "redis://..."),
        ("u:SECRET@h:6379", "h:6379"),
        ("unix:///a/b.sock?db=0", "unix:///a/b.sock"),
    ],
)
def test_no_part_of_a_password_is_shown(url: str, shown: str) -> None:
    """Scheme, host, port and path are."""
    assert local_redis.without_password(url) == shown


BAD_URLS = [
    "localhost:6379", "", "redis://:SECRET", "redis://h:x/0", "redis://h/0?db=SECRET", "redis://h/0?nope=SECRET",
    "redis://:SEC/RET@h:1/0", "redis://:p@SEC/RET@h:1/0", "redis://[::1/0", "rediss://h/0?ssl_cert_reqs=SECRET",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_url_of_a_redis_is_said_without_repeating_it(url: str) -> None:
    """One sentence that shows how to write it."""
    with pytest.raises(local_redis.BadUrl, match=r"^REDIS_URL cannot be read; write redis://host:port/db") as caught:
        local_redis.require_url(url)
    assert "SEC" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://h", "redis://:p%2Fw@h:1/0", "rediss://h:1/0?password=x", "unix:///a@b?db=1"])
def test_what_redis_understands_is_let_through(url: str) -> None:
    """Nothing is connected to find out."""
    local_redis.require_url(url)
