"""
Every knob, with its unit and default.

Each field is read from the environment as `STEPSTREAM_<NAME>`; `REDIS_URL` is understood too.
Only `bootstrap` and the process entry points read settings; everything else is handed values.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.errors import StepstreamError

PREFIX = "STEPSTREAM_"
#: Variables that commands and clients read by themselves.
OTHER_VARIABLES = frozenset({"STEPSTREAM_URL", "STEPSTREAM_API_KEY", "STEPSTREAM_ALLOW_INSECURE"})

CommaSeparated = Annotated[tuple[str, ...], NoDecode]
#: As browsers send it: no path, no wildcard.
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")
NamedPaths = Annotated[dict[str, Path], NoDecode]


class Settings(BaseSettings):
    """The configuration of one process; see docs/configuration.md for the prose."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

    redis_url: str | None = Field(
        None,
        validation_alias=AliasChoices("STEPSTREAM_REDIS_URL", "REDIS_URL", "redis_url"),
        description="Redis to use. Unset: the local server of the data directory, else redis://127.0.0.1:6379/0.",
    )
    data_dir: Path = Field(Path(".stepstream"), description="Where the local Redis and the index cache live.")
    namespace: str = Field(
        "stepstream", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="First part of every Redis key."
    )
    agent_modules: CommaSeparated = Field(
        (), description="Your modules with agents, besides the built-in ones; comma-separated dotted names."
    )
    collections: NamedPaths = Field(
        default_factory=dict, description="Folders that tasks may name as `collection`: name=path, comma-separated."
    )

    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0 takes a free one.")
    auth: Literal["auto", "required"] = Field(
        "auto", description="When requests need a key: `auto` everywhere but at loopback addresses, or `required`."
    )
    cors_origins: CommaSeparated = Field(
        (), description="Origins whose pages may use the API, as in https://app.example; comma-separated."
    )
    rate_submit_per_min: int = Field(
        600, ge=0, description="Submissions and steering per key and minute, in all API processes; 0 is no limit."
    )
    rate_read_per_min: int = Field(
        6_000, ge=0, description="Other requests per key and minute, in all API processes; 0 is no limit."
    )
    key_streams_max: int = Field(1_000, ge=0, description="Tasks in open streams per key and process; 0 is no limit.")
    body_bytes_max: int = Field(16 << 20, gt=0, description="Largest request body, bytes.")
    body_s_max: float = Field(60.0, gt=0, description="Longest time for a request body to arrive, seconds.")
    task_chars_max: int = Field(20_000, gt=0, description="Longest task text, characters.")
    documents_max: int = Field(500, gt=0, description="Most documents that one task may carry.")
    documents_bytes_max: int = Field(12 << 20, gt=0, description="Largest sum of a task's documents, bytes.")
    plan_steps_max: int = Field(
        200, ge=30, le=1000, description="Most steps in a plan; the planner itself makes up to 26."
    )
    payload_bytes_max: int = Field(64 << 10, gt=0, description="Largest payload of a step, bytes.")
    result_bytes_max: int = Field(1 << 20, gt=0, description="Largest result of a step, bytes.")
    events_max: int = Field(10_000, gt=0, description="Events after which a task's progress events are dropped.")
    steps_added_max: int = Field(20, gt=0, le=1000, description="Most steps that the output of one step may add.")
    backlog_max: int = Field(100_000, gt=0, description="Waiting messages above which submissions get 503.")
    open_tasks_max: int = Field(250_000, gt=0, description="Unfinished tasks above which submissions get 503.")
    retention_s: int = Field(7 * 86_400, gt=0, description="How long a finished task is kept, seconds.")

    lease_ms: int = Field(10_000, ge=500, description="How long a worker may be silent before its work moves on.")
    layout: Literal["per-queue", "single"] = Field(
        "per-queue", description="One stream per agent, or the one stream `agent_tasks` for all."
    )
    crashes_max: int = Field(3, gt=0, description="Worker deaths during one step after which the step fails.")
    agent_threads_max: int = Field(64, gt=0, description="Most agents written as `def` that run at once per process.")
    shutdown_grace_ms: int = Field(25_000, ge=0, description="How long running steps may finish after SIGTERM.")

    cancel_grace_ms: int = Field(
        10_000, ge=0, description="How long a graceful cancellation waits for running steps before it forces them."
    )
    idempotency_s: int = Field(86_400, gt=0, description="How long an Idempotency-Key is remembered, seconds.")
    audit_interval_ms: int = Field(30_000, gt=0, description="Time between two audits of all open tasks.")
    audit_grace_ms: int = Field(10_000, gt=0, description="How old a step must be to count as lost in an audit.")

    viewers_max: int = Field(10_000, gt=0, description="Most open event streams per API process.")
    viewer_queue_max: int = Field(256, gt=0, description="Events buffered per viewer before it reads from Redis.")
    waiters_max: int = Field(
        1_000,
        gt=0,
        description="Most submissions per API process that wait for the end of their task (`Prefer: wait`).",
    )
    heartbeat_s: float = Field(15.0, gt=0, description="Comment heartbeat of an event stream, seconds.")
    stream_s_max: float = Field(
        600.0, gt=0, description="Age at which an event stream ends and its client comes back, seconds, +-20 %."
    )
    send_s_max: float = Field(
        30.0, gt=0, description="How long a client of an event stream may take nothing before it is dropped, seconds."
    )

    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="Log lines as JSON or as text for people; `auto`: text where a terminal shows them."
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="Least important log lines that are written."
    )
    access_log: bool = Field(True, description="Whether the API logs a line about each request.")

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("agent_modules", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _only_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"write an origin as scheme://host[:port], in lower case, not {origin[:80]!r}")
        return value

    @field_validator("collections", mode="before")
    @classmethod
    def _split_collections(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.strip() for part in value.split(",") if part.strip()]
        if not all("=" in pair for pair in pairs):
            raise ValueError("write collections as name=path, separated by commas")
        return {name.strip(): Path(path.strip()) for name, path in (pair.split("=", 1) for pair in pairs)}


class BadSettings(StepstreamError):
    """The environment holds values that make no sense; `lines` has one sentence for each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def read_settings() -> Settings:
    """The settings as the environment has them; raises `BadSettings`, which repeats no value."""
    try:
        return Settings()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise BadSettings([_sentence(finding["loc"], finding["msg"]) for finding in found]) from None


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Those that look like settings and are none: most likely misspelt."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def _sentence(where: tuple[int | str, ...], said: str) -> str:
    first, *rest = map(str, where)
    variable = f"{PREFIX}{first.upper()}" if first in Settings.model_fields else first
    return f"{'.'.join([variable, *rest])}: {said.removeprefix('Value error, ')}"
