"""
How often a key may ask: sliding windows of a minute, counted in Redis for all API processes together.

The library `limits` does the counting, by its own scripts over the connection that all share. Taking a unit and
looking at what is left go out in one write, so a request pays one round trip. What it keeps are two counters per
key and policy, below `T:rate`, that expire after two windows.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Any, Final

import redis.asyncio
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from app.access.errors import RateExceeded
from app.access.principal import Principal, Scope
from app.errors import Unavailable
from app.keys import Keys
from app.redis_shared import SharedConnection, Word

WINDOW_S: Final = 60
#: How long a request waits for its limit to be looked up. Whoever hangs there would hang in Redis anyway.
PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit: `remaining` requests in the next `window_left_s` seconds."""

    policy: str
    limit: int
    remaining: int
    window_left_s: int

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes it."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.window_left_s}',
        }


@dataclass(frozen=True, slots=True)
class Window:
    """
    The last minute as two counters, as `limits` keeps them.

    `previous` counts in proportion to the time it still has; when that is over, `current` takes its place.
    """

    previous: int
    previous_s: float
    current: int
    current_s: float

    @property
    def left_s(self) -> float:
        """Until `current` takes the place of `previous`; its counter lives for one more window."""
        return max(0.0, self.current_s - WINDOW_S)

    def used(self) -> int:
        return math.floor(self.previous * self.previous_s / WINDOW_S) + self.current

    def wait_s(self, limit: int) -> float:
        """Until one more fits."""
        room = limit - self.current
        if room > 0:
            # `previous` has to shrink below the room there is.
            return max(0.0, self.previous_s - WINDOW_S * room / self.previous) if self.previous else 0.0
        return self.left_s + max(0.0, WINDOW_S - WINDOW_S * limit / max(1, self.current))


class RateLimiter:
    """The limits of keys; `0` is none. Who comes without a key has none either."""

    def __init__(self, shared: SharedConnection, keys: Keys, *, submit_per_min: int, read_per_min: int) -> None:
        self._storage = _SharedStorage(shared, keys.rate)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._submit_per_min = submit_per_min
        self._read_per_min = read_per_min

    async def take(self, principal: Principal, scope: Scope) -> Quota | None:
        """
        Takes one request of a route with that scope from the key's limit; `None` when it has no limit.

        Raises `RateExceeded`, and `Unavailable` when Redis cannot tell.
        """
        policy, limit = self._policy(principal, scope)
        if principal.key_id is None or not limit:
            return None
        item = RateLimitItemPerMinute(limit)
        name = item.key_for(policy, principal.key_id)
        try:
            async with asyncio.timeout(PATIENCE_S):
                taken, found = await asyncio.gather(
                    self._limiter.hit(item, policy, principal.key_id),
                    self._storage.get_sliding_window(name, WINDOW_S),
                )
        except (RedisError, OSError) as error:
            raise Unavailable("The rate limit cannot be looked up at the moment.") from error
        window = Window(*found)
        quota = Quota(policy, limit, max(0, limit - window.used()), math.ceil(window.left_s))
        if not taken:
            raise RateExceeded(quota.headers, retry_after_s=math.floor(window.wait_s(limit)) + 1)
        return quota

    def _policy(self, principal: Principal, scope: Scope) -> tuple[str, int]:
        rates = principal.rates
        if scope is Scope.SUBMIT:
            return "submit", self._submit_per_min if rates.submit_per_min is None else rates.submit_per_min
        return "read", self._read_per_min if rates.read_per_min is None else rates.read_per_min


class _SharedStorage(RedisStorage):
    """The storage of `limits`, without a client and a pool of its own."""

    def __init__(self, shared: SharedConnection, prefix: str) -> None:
        self._shared = shared
        super().__init__("async+redis://", implementation="redispy", key_prefix=prefix)

    def configure_bridge(self) -> None:
        client = _SharedClient(self._shared)
        self.bridge.connection_getter = lambda _: client  # type: ignore[attr-defined]  # that of redis-py


class _SharedClient(redis.asyncio.Redis):
    """As much of a client as scripts need; its own pool never connects."""

    def __init__(self, shared: SharedConnection) -> None:
        self._shared = shared
        super().__init__()

    async def execute_command(self, *args: Word, **_: Any) -> Any:
        command, *words = args
        return await self._shared.execute_command(*str(command).split(), *words)
