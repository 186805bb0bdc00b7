"""A Dramatiq broker on Redis Streams, usable without the rest of this project; see README.md beside this file."""

from .admin import QueueAdmin, QueueStats
from .broker import RedisStreamsBroker
from .errors import Release
from .keys import Level, QueueKeys, ShardKeys, tag

__all__ = ["Level", "QueueAdmin", "QueueKeys", "QueueStats", "RedisStreamsBroker", "Release", "ShardKeys", "tag"]
