"""Whose key it is: what API processes ask about every request."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from app.access.errors import KeyRefused
from app.access.principal import Principal
from app.access.record import KeyRecord, read_record
from app.access.token import Token, parse_token
from app.keys import Keys
from app.redis_async import patient
from app.redis_shared import SharedConnection

#: How long a revoked key may still be good.
CACHE_S = 3.0
CACHE_MAX = 2_000
#: What an unknown id is compared with: no text has this hash.
NOBODY = "0" * 64

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    record: KeyRecord
    until_s: float


class KeyStore:
    """
    Reads keys from Redis, and remembers each for `CACHE_S`: so long a revocation may take to be felt.

    Only keys that exist are remembered, and of those the `CACHE_MAX` last used.
    """

    def __init__(
        self,
        shared: SharedConnection,
        keys: Keys,
        *,
        retry_ms_max: int,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._field = keys.api_keys
        self._retry_ms_max = retry_ms_max
        self._monotonic_s = monotonic_s
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def principal(self, text: str) -> Principal:
        """
        Whose key the text is.

        Raises `KeyRefused` when it is nobody's, and `Unavailable` when that cannot be told because Redis is away.
        """
        token = parse_token(text)
        if token is None:
            raise KeyRefused
        record = await self._record(token)
        # Known or not, the same comparison, which takes the same time wherever the first difference is.
        same = hmac.compare_digest(token.sha256, record.sha256 if record else NOBODY)
        if record is None or not same or not record.valid(time.time() * 1000):
            raise KeyRefused
        return record.principal(token.key_id)

    async def _record(self, token: Token) -> KeyRecord | None:
        known = self._known.get(token.key_id)
        if known is not None and self._monotonic_s() < known.until_s:
            self._known.move_to_end(token.key_id)
            return known.record
        words = ("HGET", self._field, token.key_id)
        raw: bytes | None = await patient(lambda: self._shared.execute_command(*words), self._retry_ms_max)
        record = read_record(raw) if raw else None
        if raw and record is None:
            log.error("key_unreadable", key_id=token.key_id)
        self._remember(token.key_id, record)
        return record

    def _remember(self, key_id: str, record: KeyRecord | None) -> None:
        self._known.pop(key_id, None)
        if record is None:
            return
        self._known[key_id] = _Known(record, self._monotonic_s() + CACHE_S)
        if len(self._known) > CACHE_MAX:
            self._known.popitem(last=False)
