"""
What is kept of a key: one JSON object per id in the hash `T:keys`, without the key itself.

| member     | holds                                                                     |
|------------|---------------------------------------------------------------------------|
| sha256     | of the whole key, hex                                                     |
| tenant     | whose tasks it opens                                                      |
| scopes     | list of `submit`, `read`, `metrics`, `admin`                              |
| name       | what people and events call it                                            |
| created_ms, expires_ms | epoch milliseconds; without the latter it lasts until it is revoked |
| rates      | limits that differ from those of the settings, see `Rates`                |
"""

import re
from typing import Annotated

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.access.principal import Principal, Rates, Scope

#: Tenants are parts of Redis keys, between colons; see `app/keys.py`.
TENANT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._@/-]{0,62}[A-Za-z0-9])?")
KNOWN_SCOPES = frozenset(Scope)


def checked_tenant(text: str) -> str:
    if TENANT.fullmatch(text) is None:
        raise ValueError("a tenant has 1 to 63 of a-z, 0-9, dot, dash and underscore, the first and last no sign")
    return text


def checked_name(text: str) -> str:
    if NAME.fullmatch(text) is None:
        raise ValueError("a name has 1 to 64 ASCII letters, digits, spaces and . _ @ / -, the first and last no sign")
    return text


class KeyRecord(BaseModel):
    """A key without its secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: Annotated[str, AfterValidator(checked_tenant)]
    scopes: frozenset[Scope] = Field(min_length=1)
    name: Annotated[str, AfterValidator(checked_name)]
    created_ms: int
    expires_ms: int | None = None
    rates: Rates = Rates()

    def valid(self, now_ms: float) -> bool:
        return self.expires_ms is None or now_ms < self.expires_ms

    def principal(self, key_id: str) -> Principal:
        return Principal(key_id, self.tenant, self.scopes, self.name, self.rates)


def read_record(raw: bytes) -> KeyRecord | None:
    """
    The record, or `None` when it is none that this program has written.

    Scopes of a later version are left out: a key that has one opens all else here, while both versions run.
    """
    try:
        members = orjson.loads(raw)
        members["scopes"] = KNOWN_SCOPES.intersection(members["scopes"])
        return KeyRecord.model_validate(members)
    # An unfit value is a `ValueError`, and so are texts that are no JSON and JSON that is no record.
    except (ValueError, TypeError, KeyError):
        return None
