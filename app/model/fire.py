"""What the firehose tells: the events of all tasks, and what workers say of themselves."""

from typing import Any

from pydantic import BaseModel

#: What workers tell of themselves; see `app/events/middleware.py`.
WORKER_TYPES = frozenset({"worker.up", "worker.down", "batch.received", "batch.settled", "message.buried"})


class FireEvent(BaseModel):
    """
    An event of a task (`app/model/events.py`), or of a worker: `worker.up`, `worker.down`, `batch.received`,
    `batch.settled`, `message.buried`, which have no `seq` and no `task_id`.

    `stream.gap` is no event: what followed the position `requested` is no longer kept, it goes on at `first`.
    """

    type: str
    ts: int | None = None
    seq: int | None = None
    task_id: str | None = None
    step_id: int | None = None
    agent: str | None = None
    attempt: int | None = None
    worker: str | None = None
    trace: str | None = None
    data: dict[str, Any] = {}
