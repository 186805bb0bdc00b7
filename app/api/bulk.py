"""One action for all tasks that match a filter."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Services, Submitter
from app.api.json_body import JsonRoute
from app.api.listing import TASK_ID, WORDS_CHARS_MAX, Instant
from app.api.problems import documented
from app.api.schemas import LABELS_MAX
from app.api.steering import Reason
from app.api.text import LabelName, LabelText
from app.dispatch.bulk import BULK_MAX, Bulk
from app.dispatch.listing import TaskFilter
from app.errors import InvalidRequest, Problem
from app.model.bulk import STATES, BulkAction, BulkPage
from app.model.task import ListStatus

router = APIRouter(tags=["steering"], route_class=JsonRoute)


class BulkBody(BaseModel):
    """What is to be done, and to which tasks: the filter is that of `GET /tasks`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"action": "retry", "labels": {"team": "research"}},
                {"action": "cancel", "status": "queued", "reason": "Wrong data"},
                {"action": "delete", "status": "completed", "limit": 50},
            ]
        },
    )

    action: BulkAction
    status: ListStatus | None = Field(
        None, description="Unset: `failed` ones are retried, `open` ones cancelled, `ended` ones deleted."
    )
    labels: Annotated[
        dict[LabelName, LabelText], Field(max_length=LABELS_MAX, description="Only tasks with all of these labels.")
    ] = {}
    q: Annotated[str, Field(max_length=WORDS_CHARS_MAX, description="Words that are all in the task's text.")] = ""
    created_after: Instant = Field(None, description="Only tasks of this time or later (RFC 3339).")
    reason: Reason | None = Field(None, description="For the event logs of tasks that are cancelled.")
    cursor: str | None = Field(
        None, description="The `next` of the answer before.", json_schema_extra={"pattern": TASK_ID}
    )
    limit: Annotated[int, Field(strict=True, ge=1, le=BULK_MAX)] = Field(
        BULK_MAX, description="Most tasks that this call acts on."
    )

    def wanted(self) -> TaskFilter:
        """Raises `InvalidRequest` for a state in which no task allows the action."""
        allowed = STATES[self.action]
        if self.status is not None and self.status not in allowed:
            *most, last = allowed
            raise InvalidRequest([Problem("/status", f"tasks to {self.action} are {', '.join(most)} or {last}")])
        return TaskFilter(self.status or allowed[0], tuple(self.labels.items()), self.q, self.created_after)


@router.post("/tasks/bulk", responses=documented(400, 413, 415, 422, 503))
async def bulk(body: BulkBody, caller: Submitter, services: Services) -> BulkPage:
    """
    Retries, cancels or deletes tasks that match, newest first, at most `limit` of them.

    Call again with `next` as `cursor` until that is null; an answer may have few outcomes, or none, and still a `next`.
    Tasks that come meanwhile are not reached. A series of calls that was broken off may begin anew, and after a 503 the
    same call may be sent again: what was done no longer matches.
    """
    return await Bulk(services.tasks, services.dispatcher).act(
        body.action,
        caller.tenant,
        body.wanted(),
        by=caller.name,
        reason=body.reason,
        cursor=body.cursor,
        limit=body.limit,
    )
