"""A Dramatiq broker on Redis Streams, usable without the rest of this project; see README.md beside this file."""

from .admin import QueueAdmin, QueueStats
from .broker import RedisStreamsBroker
from .dead_letters import DeadLetter, DeadLetters
from .errors import MessageTooLarge, QueueFull, RedisFull, Release, ServerTooOld, WorkerDied
from .keys import Level, QueueKeys, ShardKeys, tag

__all__ = [
    "DeadLetter",
    "DeadLetters",
    "Level",
    "MessageTooLarge",
    "QueueAdmin",
    "QueueFull",
    "QueueKeys",
    "QueueStats",
    "RedisFull",
    "RedisStreamsBroker",
    "Release",
    "ServerTooOld",
    "ShardKeys",
    "WorkerDied",
    "tag",
]
