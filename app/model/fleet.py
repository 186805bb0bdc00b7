"""The installation as its operators see it: workers, queues, dead letters."""

from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError


class RunningAttempt(BaseModel):
    """An attempt that a worker is at; `running_ms` is how long, as far as the worker has told."""

    task_id: str
    step_id: int
    agent: str
    attempt: int
    running_ms: int


class WorkerBody(BaseModel):
    """
    A worker process, as it last reported itself.

    `alive` is false for one that was silent for three leases: what it held is with others by now, and nothing
    else is known of it. `threads` run one batch each; `in_flight` counts the batches it has fetched, the steps
    of which that run are in `running`, the oldest first, at most 100 of them.
    """

    worker_id: str
    alive: bool
    host: str
    pid: int
    version: str | None
    since_ms: int | None = Field(description="When it started, by its own clock.")
    seen_ms: int = Field(description="When it last reported, by the clock of Redis.")
    silent_ms: int
    queues: list[str]
    threads: int
    in_flight: int
    running: list[RunningAttempt]
    metrics_url: str | None = Field(
        description="Where its supervisor serves the metrics of all its workers; null until it is known, and without."
    )


class ScrapeTarget(BaseModel):
    """
    One supervisor of worker processes, in the form of Prometheus' HTTP service discovery
    (https://prometheus.io/docs/prometheus/latest/http_sd/).
    """

    targets: list[str] = Field(description="Host and port of its exporter; it serves `/metrics`.")
    labels: dict[str, str] = Field(description="`host`: the machine it runs on, as it calls itself.")


class WaitingByLevel(BaseModel):
    """Waiting messages by level: priorities 0 to 2, 3 to 6, 7 to 9."""

    high: int
    normal: int
    low: int


class QueueBody(BaseModel):
    """
    What a queue holds: batches of steps, each a message.

    `waiting_by_level` is null where all queues share one stream. `consumers` are the living workers that read it.
    """

    name: str
    waiting: int
    waiting_by_level: WaitingByLevel | None
    in_flight: int
    delayed: int
    dead: int
    oldest_age_ms: int = Field(description="Age of the oldest waiting message; 0 when none waits.")
    paused: bool
    consumers: int


class QueueSeries(BaseModel):
    """
    What a queue held at the times of the samples, in their order; null where nothing is known.

    `ended_per_s` counts attempts that came to an end, in the time since the sample before. `wait_p95_ms` and
    `run_p95_ms` are of the attempts that began and of the steps that succeeded in that time, of a part of them where
    they are many.
    """

    name: str
    waiting: list[int | None]
    in_flight: list[int | None]
    oldest_age_ms: list[int | None] = Field(description="Age of the oldest waiting message.")
    ended_per_s: list[float | None]
    wait_p95_ms: list[int | None]
    run_p95_ms: list[int | None]


class QueueHistoryBody(BaseModel):
    """The samples of about an hour; while no API process ran there are none."""

    interval_ms: int
    times_ms: list[int] = Field(description="When the samples were taken, by the clock of Redis; the oldest first.")
    queues: list[QueueSeries]


class ApiProcessBody(BaseModel):
    """
    An API process, as it last told of itself.

    `draining` is true for one that takes no more viewers and is about to end.
    """

    process_id: str
    host: str
    pid: int
    version: str
    since_ms: int = Field(description="When it started, by its own clock.")
    silent_ms: int = Field(description="How long ago it last told of itself.")
    draining: bool
    viewers: int = Field(description="Open event streams.")
    viewers_max: int
    events_sent: int = Field(description="Events handed to viewers since it started.")


class RedisBody(BaseModel):
    """
    The Redis server as it says itself; `memory_bytes_max` is 0 without a limit.

    With an `eviction_policy` other than `noeviction` it throws keys of tasks away when its memory is full.
    """

    version: str
    role: str
    up_ms: int
    memory_bytes: int
    memory_bytes_max: int
    eviction_policy: str
    append_only: bool = Field(description="Whether every write goes to the append-only file.")
    saved: bool = Field(description="Whether the last write to disk, of either kind, went well.")
    clients: int
    replicas: int


class SystemBody(BaseModel):
    """Redis, and the API processes, the oldest first."""

    redis: RedisBody
    api_processes: list[ApiProcessBody]


class LetterError(BaseModel):
    """Why a message died, as far as is known."""

    type: str | None = None
    code: str | None = None
    message: str

    @classmethod
    def of(cls, text: str) -> "LetterError":
        """Reads what dispatch writes, which is JSON, and takes any other text as the message."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls(message=text)


class LetterBody(BaseModel):
    """
    A message that nobody will work on: `reason` is `step failed` for one that stands for a step which has failed
    for good, else the broker's word for it.

    `task_id` and `step_ids` are there when it is a message of a task.
    """

    id: str
    queue: str
    agent: str | None = Field(description="Whose work it was; null when the message cannot be read.")
    reason: str
    error: LetterError
    task_id: str | None
    step_ids: list[int]
    deliveries: int
    died_ms: int


class LetterDetail(LetterBody):
    """A dead letter with its message: the first characters of its `body`, and who had it before it died."""

    level: str
    history: list[dict[str, Any]]
    body: str
    body_bytes: int


class LetterPage(BaseModel):
    """Dead letters, the newest first; `next` is the cursor of the following page, null at the end."""

    letters: list[LetterBody]
    next: str | None


class Requeued(BaseModel):
    """
    What became of a dead letter: the failed `step` it stood for is run again by its task, or the `message` is in
    its queue.
    """

    id: str
    requeued: Literal["step", "message"]
    task_id: str | None
