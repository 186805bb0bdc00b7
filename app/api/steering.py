"""Tasks that are under way or over: end, pause, resume, run again, branch off, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import Field

from app.api.deps import Services, Submitter, TaskId, kept, view_of
from app.api.json_body import OptionalJsonRoute
from app.api.problems import documented
from app.api.schemas import StrictBody
from app.api.text import PRINTABLE, PlanJson
from app.model.answers import Accepted, Links
from app.model.plan import StepId
from app.model.task import CancelMode, TaskStatus, TaskView

REASON_CHARS_MAX = 300

Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX), *PRINTABLE]

router = APIRouter(tags=["steering"])
steering = APIRouter(tags=["steering"], route_class=OptionalJsonRoute)


class Cancel(StrictBody):
    """
    How the task is to end.

    `graceful`: nothing starts any more, running steps are interrupted. `force`: it ends now. `finish`:
    gathering ends, the rest works with what there is.
    """

    mode: CancelMode = CancelMode.GRACEFUL
    reason: Reason | None = None


class Why(StrictBody):
    """A sentence for the event log."""

    reason: Reason | None = None


class Retry(StrictBody):
    """Without `from_step` all that did not succeed runs again; with it that step and all that depends on it too."""

    from_step: StepId | None = None


class Fork(StrictBody):
    """Which step runs again, or an edited plan, or both; what neither touches keeps its result."""

    from_step: StepId | None = None
    plan: PlanJson = Field(None, description="The new task's plan; steps that are the same keep their results.")


def examples(**values: dict[str, Any]) -> Any:
    return Body(openapi_examples={name: {"value": value} for name, value in values.items()})


CancelBody = Annotated[
    Cancel, examples(graceful={}, force={"mode": "force"}, finish={"mode": "finish", "reason": "Enough sources"})
]
WhyBody = Annotated[Why, examples(silent={}, said={"reason": "Waiting for the new quota"})]
RetryBody = Annotated[Retry, examples(rest={}, again={"from_step": 2})]
EDITED = [
    {"step_id": 1, "agent": "retriever", "payload": "Research AI agents"},
    {"step_id": 2, "agent": "writer", "payload": "Write two pages"},
]
ForkBody = Annotated[Fork, examples(again={"from_step": 2}, edited={"plan": EDITED})]
NO_REASON, NO_STEP = Why(), Retry()


@steering.post(
    "/tasks/{task_id}/cancel",
    status_code=202,
    responses={
        200: {"description": "It had ended already", "model": TaskView},
        **documented(400, 404, 410, 413, 415, 422, 503),
    },
)
async def cancel(
    caller: Submitter,
    task_id: TaskId,
    response: Response,
    services: Services,
    body: CancelBody = Cancel(),  # noqa: B008  # nothing changes it
) -> TaskView:
    """Ends the task early; a second request may ask for more than the first, never for less."""
    with kept(services):
        accepted = await services.dispatcher.cancel(task_id, body.mode, by=caller.name, reason=body.reason)
    response.status_code = 202 if accepted else 200
    return await view_of(task_id, services)


@steering.post("/tasks/{task_id}/pause", status_code=202, responses=documented(400, 404, 409, 410, 413, 415, 422, 503))
async def pause(caller: Submitter, task_id: TaskId, services: Services, body: WhyBody = NO_REASON) -> TaskView:
    """Nothing starts any more until the task is resumed; what runs is finished."""
    with kept(services):
        await services.dispatcher.pause(task_id, by=caller.name, reason=body.reason)
    return await view_of(task_id, services)


@steering.post("/tasks/{task_id}/resume", status_code=202, responses=documented(400, 404, 409, 410, 413, 415, 422, 503))
async def resume(caller: Submitter, task_id: TaskId, services: Services, body: WhyBody = NO_REASON) -> TaskView:
    """The task goes on; what was held back goes first."""
    with kept(services):
        await services.dispatcher.resume(task_id, by=caller.name, reason=body.reason)
    return await view_of(task_id, services)


@steering.post("/tasks/{task_id}/retry", status_code=202, responses=documented(400, 404, 409, 410, 413, 415, 422, 503))
async def retry(caller: Submitter, task_id: TaskId, services: Services, body: RetryBody = NO_STEP) -> TaskView:
    """Runs a failed, cancelled or expired task again, in place: its log goes on, what had succeeded is kept."""
    with kept(services):
        await services.dispatcher.retry(task_id, from_step=body.from_step, by=caller.name)
    return await view_of(task_id, services)


@steering.post(
    "/tasks/{task_id}/fork",
    status_code=202,
    responses={
        202: {
            "description": "The new task",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Where the new task is."}},
        },
        **documented(400, 404, 409, 410, 413, 415, 422, 503),
    },
)
async def fork(
    _: Submitter,
    task_id: TaskId,
    response: Response,
    services: Services,
    body: ForkBody = Fork(),  # noqa: B008  # nothing changes it
) -> Accepted:
    """A new task from one that has ended: results that the change does not touch are taken over."""
    with kept(services):
        task = await services.dispatcher.fork(task_id, from_step=body.from_step, plan=body.plan)
    links = Links.of(task.task_id)
    response.headers["Location"] = links.self
    return Accepted(task_id=task.task_id, status=TaskStatus.QUEUED, plan=task.plan, links=links)


@router.delete("/tasks/{task_id}", status_code=204, responses=documented(404, 409, 410, 503))
async def delete(_: Submitter, task_id: TaskId, services: Services) -> None:
    """Deletes a task that has ended: its state, its events and its results."""
    with kept(services):
        await services.dispatcher.delete(task_id)
