"""How a submission is answered: at once, with the finished task, or with its events as they happen."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response

from app.access.errors import TooManyStreams
from app.api.accept import EVENT_STREAM, JSON, NDJSON, Accept, negotiated
from app.api.auth import admitted
from app.api.deps import Services, until_answered, view_of
from app.api.event_stream import Form
from app.api.prefer import Preference, Wait
from app.api.results import finished
from app.api.stream import STREAMS, form_of, opened
from app.bootstrap.api import ApiServices
from app.dispatch.dispatcher import Accepted as Task
from app.errors import Unavailable
from app.events.log import START, Cursor
from app.model.answers import Accepted, FinishedTask, Links
from app.model.task import TaskStatus, TaskView

HEADERS: dict[str, Any] = {
    "Location": {"schema": {"type": "string"}, "description": "Where the task is."},
    "Task-Id": {"schema": {"type": "string"}, "description": "The id of the task, for those who get its events."},
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "The task had been accepted before; the status is its present one.",
    },
    "Preference-Applied": {
        "schema": {"type": "string"},
        "description": "`wait=n`: how long the server would have waited (RFC 7240).",
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": FinishedTask,
        "description": "The task has ended within the `wait` that was preferred, well or not: see `status`. Or, to "
        "those who accept it before JSON: its event stream, from the first event.",
        "content": STREAMS,
        "headers": HEADERS,
    },
    202: {
        "description": "Accepted, now or by an earlier request with the same idempotency key",
        "headers": HEADERS,
    },
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a client would like to be answered: in which form, and after which wait."""

    media_type: str
    wait: Wait | None


async def _wishes(request: Request, services: Services, accept: Accept, wait: Preference) -> Wishes:
    wishes = Wishes(negotiated(accept, (JSON, EVENT_STREAM, NDJSON)), wait)
    if wishes.media_type != JSON:
        # Before anything is accepted: who has too many streams already is told so, and may send the request again.
        until_answered(request).enter_context(services.access.streams.place(await admitted(request)))
    return wishes


AnswerWishes = Annotated[Wishes, Depends(_wishes)]


async def answer(task: Task, wishes: Wishes, request: Request, services: ApiServices) -> Response:
    """The response to a submission that was accepted; its body must have been read."""
    headers = _headers(task)
    if wishes.media_type != JSON:
        stream = _stream(task.task_id, form_of(wishes.media_type), services)
        if stream is not None:
            stream.headers.update(headers)
            return stream
    view = await view_of(task.task_id, services) if task.replayed else None
    if wishes.wait is None:
        return _accepted(task, view, headers)
    view, applied = await _view_in_time(task.task_id, view, wishes.wait, request, services)
    if applied:
        headers["Preference-Applied"] = wishes.wait.applied
    if view is None or not view.status.terminal:
        return _accepted(task, view, headers)
    outputs = await services.reader.outputs(view) if view.status is TaskStatus.COMPLETED else {}
    return Response(finished(view, outputs).model_dump_json(), media_type=JSON, headers=headers)


def _headers(task: Task) -> dict[str, str]:
    headers = {"Location": f"/tasks/{task.task_id}", "Task-Id": task.task_id, "Vary": "Accept, Prefer"}
    return headers | {"Idempotency-Replayed": "true"} if task.replayed else headers


def _accepted(task: Task, view: TaskView | None, headers: dict[str, str]) -> Response:
    status = view.status if view else TaskStatus.QUEUED
    body = Accepted(task_id=task.task_id, status=status, plan=task.plan, links=Links.of(task.task_id))
    # As its own encoder would write it, in a third of the time: the models below hold nothing but JSON.
    return Response(orjson.dumps(body, default=vars), 202, media_type=JSON, headers=headers)


def _stream(task_id: str, form: Form, services: ApiServices) -> Response | None:
    """The task's events from the first; `None` when this process has no room: accepted is accepted all the same."""
    try:
        return opened(services.hub.watch(task_id, START), services, form=form)
    except Unavailable:
        return None


async def _view_in_time(
    task_id: str, view: TaskView | None, wait: Wait, request: Request, services: ApiServices
) -> tuple[TaskView | None, bool]:
    """The task at its end, or as it stands when the time is over; and whether there was room to wait."""
    if view is not None and view.status.terminal:
        return view, True
    after = Cursor(view.last_seq) if view else START
    try:
        with services.access.streams.place(await admitted(request)):
            waited = await services.waiters.wait(task_id, after, wait.left_s, partial(_gone, request))
    except TooManyStreams:
        waited = False
    if not waited:
        return view, False
    try:
        return await view_of(task_id, services), True
    except Unavailable:
        return view, True


async def _gone(request: Request) -> None:
    """Returns when the client has: its body has been read, so nothing else is left to be received."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
