"""Tasks over HTTP: hand one in, ask for its plan, look at it."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from structlog.contextvars import bind_contextvars

from app.api.deps import Metrics, Reader, Services, Submitter, TaskId, Traceparent, view_of
from app.api.json_body import JsonRoute
from app.api.problems import TaskExpired, documented
from app.api.schemas import RunTask
from app.api.submission import RESPONSES, AnswerWishes, answer
from app.api.terms import IdempotencyKey
from app.bootstrap.api import ApiServices
from app.dispatch.dispatcher import Accepted as Task
from app.dispatch.submission import Submission
from app.errors import IdempotencyConflict, InvalidRequest, TaskNotFound, Unavailable
from app.metrics.prometheus.process import ApiMetrics
from app.model.answers import Accepted
from app.model.plan import Plan
from app.model.task import Document, TaskView

router = APIRouter(tags=["tasks"])
submissions = APIRouter(tags=["tasks"], route_class=JsonRoute)


@submissions.post(
    "/run-task",
    status_code=202,
    response_model=Accepted,
    responses={**RESPONSES, **documented(400, 410, 413, 415, 422, 503)},
)
async def run_task(  # FastAPI passes all of them by name
    body: RunTask,
    caller: Submitter,
    wishes: AnswerWishes,
    request: Request,
    services: Services,
    metrics: Metrics,
    traceparent: Traceparent,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """
    Accepts a task and answers at once; workers run it.

    Without a `plan` the server makes one from the words of the task, by its rules or, with `planner: llm`, by its
    language model. Follow the task at `links.stream`, or accept `text/event-stream` to get that stream in place of an
    answer. With `Prefer: wait=30` the answer waits for the end of the task, but not longer. With an `Idempotency-Key`
    the request may be sent again: it names the same task, and 410 when that is deleted.
    """
    try:
        task = await _submit(_submission(body, caller.tenant, traceparent, idempotency_key), services, metrics)
        return await answer(task, wishes, request, services)
    except TaskNotFound as error:
        # It was accepted, now or under the same idempotency key, and has been deleted since: it is not run again.
        raise TaskExpired(error.task_id) from error


@submissions.post("/plan", responses=documented(400, 413, 415, 422))
async def plan(body: RunTask, caller: Submitter, services: Services) -> Plan:
    """The plan that `/run-task` would run for this body; runs nothing."""
    return await services.dispatcher.plan(_submission(body, caller.tenant))


@router.get(
    "/tasks/{task_id}",
    response_model=TaskView,
    responses={
        200: {
            "description": "The task",
            "headers": {"ETag": {"schema": {"type": "string"}, "description": "For `If-None-Match`."}},
        },
        304: {"description": "Nothing has changed since the `ETag` that was sent"},
        **documented(404, 410, 503),
    },
)
async def task(
    _: Reader,
    task_id: TaskId,
    services: Services,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of what the client has.")] = None,
) -> Response:
    """The task and its steps as they stand."""
    view = await view_of(task_id, services)
    # Every change of a task writes an event, so the number of the last one tells its versions apart.
    headers = {"ETag": f'"{view.last_seq}-{view.status}"'}
    if if_none_match is not None and matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(view.model_dump_json(), media_type="application/json", headers=headers)


async def _submit(submission: Submission, services: ApiServices, metrics: ApiMetrics) -> Task:
    try:
        task = await services.dispatcher.submit(submission)
    except (InvalidRequest, IdempotencyConflict):
        metrics.submissions.labels("invalid").inc()
        raise
    except Unavailable:
        metrics.submissions.labels("refused").inc()
        raise
    metrics.submissions.labels("replayed" if task.replayed else "accepted").inc()
    bind_contextvars(task_id=task.task_id)
    return task


def _submission(
    body: RunTask, tenant: str, traceparent: str | None = None, idempotency_key: str | None = None
) -> Submission:
    return Submission(
        task=body.task,
        plan=body.plan,
        planner=body.planner,
        documents=tuple(Document(name=document.name, text=document.text) for document in body.inputs.documents),
        collection=body.inputs.collection,
        urls=body.inputs.urls,
        web=body.inputs.web,
        output=body.output,
        priority=body.priority,
        labels=body.labels,
        deadline=body.deadline,
        not_before=body.not_before,
        concurrency=body.concurrency.value() if body.concurrency else None,
        tenant=tenant,
        idempotency_key=idempotency_key,
        traceparent=traceparent,
    )


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the header names the present version; weak and strong are the same here (RFC 9110, section 13.1.2)."""
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in known or known == ["*"]
