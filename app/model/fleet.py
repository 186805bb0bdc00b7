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
