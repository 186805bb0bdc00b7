"""The keys there are: made, listed and revoked by whoever has Redis."""

import time
from collections.abc import Collection
from typing import cast

import redis

from app.access.principal import Rates, Scope
from app.access.record import KeyRecord, read_record
from app.access.token import Token, new_token
from app.keys import Keys


class Keyring:
    """The keys of one namespace; all methods raise what the driver raises."""

    def __init__(self, client: "redis.Redis", keys: Keys) -> None:
        self._redis = client
        self._hash = keys.api_keys

    def create(
        self,
        *,
        tenant: str,
        scopes: Collection[Scope],
        name: str | None = None,
        expires_ms: int | None = None,
        rates: Rates | None = None,
    ) -> tuple[Token, KeyRecord]:
        """
        A new key; its text cannot be had again. Without a `name` it is called by its id.

        Raises `pydantic.ValidationError` for a tenant or a name that cannot be one.
        """
        token = new_token()
        record = KeyRecord(
            sha256=token.sha256,
            tenant=tenant,
            scopes=frozenset(scopes),
            name=token.key_id if name is None else name,
            created_ms=time.time_ns() // 1_000_000,
            expires_ms=expires_ms,
            rates=rates or Rates(),
        )
        self._redis.hset(self._hash, token.key_id, record.model_dump_json(exclude_none=True))
        return token, record

    def all(self) -> dict[str, KeyRecord]:
        """The keys by id, oldest first; what cannot be read is left out."""
        rows = cast("dict[bytes, bytes]", self._redis.hgetall(self._hash))
        found = {key_id.decode(errors="replace"): read_record(raw) for key_id, raw in rows.items()}
        known = [(key_id, record) for key_id, record in found.items() if record is not None]
        return dict(sorted(known, key=lambda item: (item[1].created_ms, item[0])))

    def has_valid(self) -> bool:
        """Whether there is a key that opens anything now."""
        now_ms = time.time() * 1000
        return any(record.valid(now_ms) for record in self.all().values())

    def revoke(self, key_id: str) -> bool:
        """Whether there was such a key; it is good for nothing from then on, see `app/access/keystore.py`."""
        return bool(self._redis.hdel(self._hash, key_id))
