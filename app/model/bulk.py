"""What is done to all tasks that match a filter, some at a time."""

from enum import StrEnum

from pydantic import BaseModel, Field

from app.model.task import ListStatus


class BulkAction(StrEnum):
    """What is done: `retry` those that failed, `cancel` those that are open, `delete` those that have ended."""

    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"


#: The states in which a task may be for an action; the first is meant where none is said.
STATES = {
    BulkAction.RETRY: (ListStatus.FAILED, ListStatus.CANCELLED, ListStatus.EXPIRED),
    BulkAction.CANCEL: (ListStatus.OPEN, ListStatus.QUEUED, ListStatus.RUNNING, ListStatus.PAUSED),
    BulkAction.DELETE: (
        ListStatus.ENDED, ListStatus.COMPLETED, ListStatus.FAILED, ListStatus.CANCELLED, ListStatus.EXPIRED,
    ),
}  # fmt: skip


class BulkOutcome(BaseModel):
    """What came of it for one task."""

    task_id: str
    refused: str | None = Field(description="Why it was not done, in a sentence; null when it was.")


class BulkPage(BaseModel):
    """What came of it for some tasks, newest first; the rest is behind `next`."""

    outcomes: list[BulkOutcome] = Field(description="One for each task that was reached.")
    next: str | None = Field(description="Send it as `cursor` to go on; null when no task is left.")
