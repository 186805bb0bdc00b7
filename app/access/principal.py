"""Who asks: a tenant, what it may do, and the name that events call it by."""

from dataclasses import dataclass
from enum import StrEnum

#: The tenant of all that comes without a key.
DEFAULT_TENANT = "default"


class Scope(StrEnum):
    """
    What a key is good for.

    `submit`: hand tasks in, steer and delete them. `read`: everything about tasks. `metrics`: what Prometheus asks
    for. `admin`: all of that, and the routes of the whole installation.
    """

    SUBMIT = "submit"
    READ = "read"
    METRICS = "metrics"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Rates:
    """How much a key may ask for; `None` is what the settings say, 0 no limit."""

    submit_per_min: int | None = None
    read_per_min: int | None = None
    streams_max: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Whoever sent a request.

    Its tasks are those of its `tenant` and no others. Without a key (`key_id` is `None`) it came in where
    none is needed.
    """

    key_id: str | None
    tenant: str
    scopes: frozenset[Scope]
    name: str = "api"
    rates: Rates = Rates()

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


#: Who asks without a key where none is needed.
OPEN = Principal(None, DEFAULT_TENANT, frozenset(Scope))
