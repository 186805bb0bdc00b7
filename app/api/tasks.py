"""Tasks over HTTP: hand one in, look at it, fetch what it made."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from app.api.deps import JsonRoute, Metrics, Reader, Services, Submitter, TaskId, Traceparent, gone, view_of
from app.api.problems import NoResult, TaskExpired, documented
from app.api.schemas import RunTask
from app.api.terms import IdempotencyKey
from app.bootstrap import ApiServices
from app.dispatch.dispatcher import Accepted as Task
from app.dispatch.submission import Submission
from app.errors import IdempotencyConflict, InvalidRequest, TaskNotFound, Unavailable
from app.events.log import PAGE_MAX, Cursor
from app.metrics.prometheus import ApiMetrics
from app.model.agents import StepOutput
from app.model.answers import Accepted, AgentBody, EventsPage, Links, OutputBody, ResultBody, Running
from app.model.plan import Plan
from app.model.task import Document, TaskStatus, TaskView

MARKDOWN = "text/markdown"
RETRY_AFTER_S = 1

router = APIRouter(tags=["tasks"])
submissions = APIRouter(tags=["tasks"], route_class=JsonRoute)


@submissions.post(
    "/run-task",
    status_code=202,
    responses={
        202: {
            "description": "Accepted, now or by an earlier request with the same idempotency key",
            "headers": {
                "Location": {"schema": {"type": "string"}, "description": "Where the task is."},
                "Idempotency-Replayed": {
                    "schema": {"type": "string", "enum": ["true"]},
                    "description": "The task had been accepted before; the status is its present one.",
                },
            },
        },
        **documented(400, 410, 413, 415, 422, 503),
    },
)
async def run_task(  # FastAPI passes all of them by name
    body: RunTask,
    caller: Submitter,
    response: Response,
    services: Services,
    metrics: Metrics,
    traceparent: Traceparent,
    idempotency_key: IdempotencyKey = None,
) -> Accepted:
    """
    Accepts a task and answers at once; workers run it.

    Without a `plan` the server makes one from the words of the task. Follow the task at `links.stream`. With
    an `Idempotency-Key` the request may be sent again: it names the same task, and 410 when that is deleted.
    """
    task = await _submit(_submission(body, caller.tenant, traceparent, idempotency_key), services, metrics)
    status = TaskStatus.QUEUED
    if task.replayed:
        status = (await view_of(task.task_id, services)).status
        response.headers["Idempotency-Replayed"] = "true"
    links = Links.of(task.task_id)
    response.headers["Location"] = links.self
    return Accepted(task_id=task.task_id, status=status, plan=task.plan, links=links)


@submissions.post("/plan", responses=documented(400, 413, 415, 422))
async def plan(body: RunTask, caller: Submitter, services: Services) -> Plan:
    """The plan that `/run-task` would run for this body; runs nothing."""
    return services.dispatcher.plan(_submission(body, caller.tenant))


@router.get(
    "/tasks/{task_id}",
    response_model=TaskView,
    responses={
        200: {"description": "The task", "headers": {"ETag": {"schema": {"type": "string"}}}},
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


@router.get(
    "/tasks/{task_id}/result",
    response_model=ResultBody,
    responses={
        200: {"description": "What the last steps left behind", "content": {MARKDOWN: {"schema": {"type": "string"}}}},
        202: {"description": "The task still runs; see Retry-After", "model": Running},
        **documented(404, 409, 410, 503),
    },
)
async def result(
    _: Reader,
    task_id: TaskId,
    services: Services,
    accept: Annotated[str, Header(description="JSON or Markdown.")] = "*/*",
) -> Response:
    """What the task made: JSON, or with `Accept: text/markdown` the document for people."""
    view = await view_of(task_id, services)
    if not view.status.terminal:
        running = Running(task_id=task_id, status=view.status, links=Links.of(task_id))
        return JSONResponse(running.model_dump(mode="json"), 202, headers={"Retry-After": str(RETRY_AFTER_S)})
    if view.status is not TaskStatus.COMPLETED:
        reason = (view.error or {}).get("message", "no reason is known")
        raise NoResult(f"The task is {view.status}: {reason}")
    outputs = await services.store.outputs(view)
    if prefers_markdown(accept):
        return Response(_markdown(outputs), media_type=f"{MARKDOWN}; charset=utf-8")
    return Response(_result_body(task_id, outputs).model_dump_json(), media_type="application/json")


@router.get(
    "/tasks/{task_id}/events",
    response_model=EventsPage,
    responses=documented(400, 404, 410, 422, 503),
)
async def events(
    _: Reader,
    task_id: TaskId,
    services: Services,
    after: Annotated[str | None, Query(description="Position: a number or an event id.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
) -> Response:
    """A page of the event log, oldest first."""
    cursor = Cursor.parse(after)
    if await services.log.last(task_id) is None:
        raise gone(task_id, services)
    found = await services.log.read(task_id, cursor, limit)
    page = {
        "task_id": task_id,
        "events": [orjson.Fragment(event.body) for event in found],
        "next": found[-1].id if found else after or "0",
        "more": len(found) == limit,
    }
    return Response(orjson.dumps(page), media_type="application/json")


@router.get("/agents")
async def agents(_: Reader, services: Services) -> list[AgentBody]:
    """The agents that plans may name."""
    return [
        AgentBody(
            name=spec.name,
            description=spec.description,
            queue=spec.queue,
            input_schema=spec.input_model.model_json_schema(),
            timeout_ms=spec.timeout_ms,
            max_attempts=spec.max_attempts,
            backoff_ms=spec.backoff_ms,
            backoff_ms_max=spec.backoff_ms_max,
            batch_size_max=spec.batch_size_max,
            deferrals_max=spec.deferrals_max,
            provider=spec.provider,
            gathers=spec.gathers,
        )
        for spec in sorted(services.registry, key=lambda spec: spec.name)
    ]


async def _submit(submission: Submission, services: ApiServices, metrics: ApiMetrics) -> Task:
    try:
        task = await services.dispatcher.submit(submission)
    except TaskNotFound as error:
        # Its idempotency key is still known: whoever repeats the request is told, and it is not run again.
        raise TaskExpired(error.task_id) from error
    except (InvalidRequest, IdempotencyConflict):
        metrics.submissions.labels("invalid").inc()
        raise
    except Unavailable:
        metrics.submissions.labels("refused").inc()
        raise
    metrics.submissions.labels("replayed" if task.replayed else "accepted").inc()
    return task


def _submission(
    body: RunTask, tenant: str, traceparent: str | None = None, idempotency_key: str | None = None
) -> Submission:
    return Submission(
        task=body.task,
        plan=body.plan,
        documents=tuple(Document(name=document.name, text=document.text) for document in body.inputs.documents),
        collection=body.inputs.collection,
        priority=body.priority,
        labels=body.labels,
        deadline=body.deadline,
        not_before=body.not_before,
        concurrency=body.concurrency.value() if body.concurrency else None,
        tenant=tenant,
        idempotency_key=idempotency_key,
        traceparent=traceparent,
    )


def _result_body(task_id: str, outputs: dict[int, StepOutput]) -> ResultBody:
    bodies = [
        OutputBody(step_id=step_id, summary=output.summary, data=output.data, text=output.text)
        for step_id, output in sorted(outputs.items())
    ]
    return ResultBody(task_id=task_id, outputs=bodies)


def _markdown(outputs: dict[int, StepOutput]) -> str:
    """The documents of the last steps; a step that made none is told by its summary."""
    return "\n\n".join(output.text or output.summary for _, output in sorted(outputs.items()))


def prefers_markdown(accept: str) -> bool:
    """Whether an `Accept` header ranks Markdown above JSON; JSON wins a tie."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (word.strip() for word in part.split(";"))
        quality = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        weights[media_range] = float(quality) if quality.replace(".", "", 1).isdecimal() else 0.0
    anything = weights.get("*/*", 0.0)
    markdown = weights.get(MARKDOWN, weights.get("text/*", anything))
    return markdown > weights.get("application/json", weights.get("application/*", anything))


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the header names the present version; weak and strong are the same here (RFC 9110, section 13.1.2)."""
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in known or known == ["*"]
