"""What API processes know of keys: nothing that Redis has not told them, and not for long."""

import hmac
from collections.abc import AsyncIterator

import pytest
import redis

from app import redis_async
from app.access.errors import KeyRefused
from app.access.keyring import Keyring
from app.access.keystore import CACHE_MAX, CACHE_S, KeyStore
from app.access.principal import Rates, Scope
from app.access.token import Token, new_token
from app.errors import Unavailable
from app.keys import Keys
from app.redis_shared import SharedConnection

pytestmark = pytest.mark.anyio


class Clock:
    """Time as the test has it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def ring(redis_client: "redis.Redis", namespace: str) -> Keyring:
    return Keyring(redis_client, Keys(namespace))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(redis_url: str, namespace: str, clock: Clock) -> AsyncIterator[KeyStore]:
    client = redis_async.connect(redis_url)
    shared = SharedConnection(client)
    yield KeyStore(shared, Keys(namespace), retry_ms_max=200, monotonic_s=clock)
    await shared.aclose()
    await client.aclose()


def made(ring: Keyring, **terms: object) -> Token:
    return ring.create(**({"tenant": "a", "scopes": [Scope.READ]} | terms))[0]  # type: ignore[arg-type]


async def test_a_key_opens_what_was_said_when_it_was_made(store: KeyStore, ring: Keyring) -> None:
    """Tenant, scopes, name and rates come back as they were."""
    token = made(ring, tenant="acme", scopes=[Scope.SUBMIT], name="ci @ main", rates=Rates(read_per_min=7))

    principal = await store.principal(token.text)

    assert (principal.key_id, principal.tenant, principal.name) == (token.key_id, "acme", "ci @ main")
    assert (principal.scopes, principal.rates) == ({Scope.SUBMIT}, Rates(read_per_min=7))


async def test_a_revocation_is_felt_when_the_memory_of_the_key_ends(
    store: KeyStore, ring: Keyring, clock: Clock
) -> None:
    """Not at once, but after `CACHE_S` at the latest, however often it was used."""
    token = made(ring)
    await store.principal(token.text)
    assert ring.revoke(token.key_id)

    clock.now_s = CACHE_S - 0.1
    await store.principal(token.text)
    clock.now_s = CACHE_S
    with pytest.raises(KeyRefused):
        await store.principal(token.text)


async def test_a_key_works_as_soon_as_it_is_made(store: KeyStore, ring: Keyring, redis_client: "redis.Redis") -> None:
    """That it was not known before is not remembered."""
    token = made(ring)
    raw = redis_client.hget(ring._hash, token.key_id)
    redis_client.hdel(ring._hash, token.key_id)
    with pytest.raises(KeyRefused):
        await store.principal(token.text)
    redis_client.hset(ring._hash, token.key_id, raw)

    assert await store.principal(token.text)


async def test_the_secret_of_another_key_opens_nothing(
    store: KeyStore, ring: Keyring, redis_client: "redis.Redis"
) -> None:
    """An id that is known, with a secret that was made for another."""
    mine, other = made(ring), new_token()
    # As if the id of the other led to the record of this one.
    redis_client.hset(ring._hash, other.key_id, redis_client.hget(ring._hash, mine.key_id))

    assert await store.principal(mine.text)
    with pytest.raises(KeyRefused):
        await store.principal(other.text)


async def test_every_key_is_compared_in_constant_time(
    store: KeyStore, ring: Keyring, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good one, one with a wrong secret, one that nobody knows: a whole hash with a whole hash, once each."""
    compared: list[tuple[int, int]] = []
    same = hmac.compare_digest

    def noted(a: str, b: str) -> bool:
        compared.append((len(a), len(b)))
        return same(a, b)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    mine, wrong = made(ring), new_token()
    redis_client.hset(ring._hash, wrong.key_id, redis_client.hget(ring._hash, mine.key_id))

    await store.principal(mine.text)
    for token in (wrong, new_token()):
        with pytest.raises(KeyRefused):
            await store.principal(token.text)

    assert compared == [(64, 64)] * 3


async def test_an_expired_key_is_none_though_it_is_remembered(
    store: KeyStore, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is looked at with every request."""
    token = made(ring, expires_ms=4_000_000_000_000)
    await store.principal(token.text)

    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)

    with pytest.raises(KeyRefused):
        await store.principal(token.text)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'{"tenant": "a:b"}', b"\xff"])
async def test_a_record_that_nobody_can_read_is_no_key(
    store: KeyStore, ring: Keyring, redis_client: "redis.Redis", raw: bytes
) -> None:
    """And no error: the others still work."""
    token, good = made(ring), made(ring)
    redis_client.hset(ring._hash, token.key_id, raw)

    with pytest.raises(KeyRefused):
        await store.principal(token.text)
    assert await store.principal(good.text)
    assert list(ring.all()) == [good.key_id]


async def test_only_so_many_keys_are_remembered(store: KeyStore, ring: Keyring) -> None:
    """The least used one makes way."""
    tokens = [made(ring) for _ in range(3)]
    first = await store.principal(tokens[0].text)
    known = store._known
    entry = known[tokens[0].key_id]
    for number in range(CACHE_MAX - 1):
        known[f"other{number}"] = entry
    known.move_to_end(tokens[0].key_id)

    await store.principal(tokens[1].text)

    assert first
    assert len(known) == CACHE_MAX
    assert tokens[0].key_id in known
    assert "other0" not in known


async def test_without_redis_nobody_knows(namespace: str) -> None:
    """That is another error than a key that is not good."""
    client = redis_async.connect("redis://127.0.0.1:1")
    store = KeyStore(SharedConnection(client), Keys(namespace), retry_ms_max=50)

    with pytest.raises(Unavailable):
        await store.principal(new_token().text)
    await client.aclose()
