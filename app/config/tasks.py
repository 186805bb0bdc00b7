"""How large a task may be, and how many there may be."""

from pydantic import Field
from pydantic_settings import BaseSettings


class TaskSettings(BaseSettings):
    """The bounds of tasks, plans, results and queues."""

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
    replicas_min: int = Field(
        0,
        ge=0,
        le=16,
        description="Replicas of Redis that must have a task before it is answered for; "
        "fewer in time is 503. 0: nobody waits.",
    )
    replicas_wait_ms: int = Field(1_000, gt=0, le=4_000, description="How long they are waited for.")
    retention_s: int = Field(7 * 86_400, gt=0, description="How long a finished task is kept, seconds.")
