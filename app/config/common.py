"""What every process has to know."""

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

from app.config.kinds import CommaSeparated, NamedPaths


class CommonSettings(BaseSettings):
    """Where Redis, the data and the agents are."""

    redis_url: str | None = Field(
        None,
        validation_alias=AliasChoices("STEPSTREAM_REDIS_URL", "REDIS_URL", "redis_url"),
        description="Redis to use. Unset: the local server of the data directory, else redis://127.0.0.1:6379/0.",
    )
    redis_may_evict: bool = Field(
        False, description="Whether to begin although Redis may evict keys, which loses tasks."
    )
    data_dir: Path = Field(
        Path(".stepstream"), description="Where the local Redis, caches and the signs of life of workers lie."
    )
    namespace: str = Field(
        "stepstream", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="First part of every Redis key."
    )
    agent_modules: CommaSeparated = Field(
        (), description="Your modules with agents, besides the built-in ones; comma-separated dotted names."
    )
    collections: NamedPaths = Field(
        default_factory=dict, description="Folders that tasks may name as `collection`: name=path, comma-separated."
    )
