"""Redis, for commands that ask it themselves."""

import redis
from redis.exceptions import ResponseError

from app import local_redis, redis_urls
from app.cli.environment import read_settings
from app.cli.exits import Exit
from app.cli.terminal import end
from app.config import Settings

TIMEOUT_S = 5.0


def settings_with_redis() -> Settings:
    """The settings of a command that needs Redis; a bad one, or a url that is none, ends the command."""
    settings = read_settings()
    try:
        local_redis.require_url(local_redis.redis_url(settings))
    except local_redis.BadUrl as error:
        end(str(error), Exit.USAGE)
    return settings


def connect(url: str, timeout_s: float = TIMEOUT_S) -> "redis.Redis":
    """A client that never re-sends by itself and never waits without a limit."""
    return redis_urls.sync_client(url, timeout_s=timeout_s, connect_timeout_s=timeout_s)


def trouble(url: str, error: Exception) -> str:
    """What went wrong with the Redis at `url`, in a sentence: one that refuses a command is not away."""
    said = "Redis at {} refuses: {}" if isinstance(error, ResponseError) else "No Redis answers at {}: {}"
    return said.format(local_redis.without_password(url), error)
