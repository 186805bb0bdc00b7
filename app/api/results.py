"""What a task made: as JSON, as Markdown, or as a page for a browser."""

import re
from collections.abc import Mapping

import anyio
from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from app import page
from app.api.accept import HTML, JSON, MARKDOWN, Accept, negotiated
from app.api.deps import Reader, Services, TaskId, view_of
from app.api.problems import NoResult, documented
from app.bootstrap.api import ApiServices
from app.errors import Unavailable
from app.model.agents import StepOutput
from app.model.answers import FinishedTask, Links, OutputBody, ResultBody, Running
from app.model.output import PLAIN
from app.model.task import TaskStatus, TaskView

RETRY_AFTER_S = 1
#: How long a request waits for its turn to be made a page.
PAGE_WAIT_S = 10.0

router = APIRouter(tags=["tasks"])


@router.get(
    "/tasks/{task_id}/result",
    response_model=ResultBody,
    responses={
        200: {
            "description": "What the last steps left behind",
            "content": {
                MARKDOWN: {"schema": {"type": "string"}, "example": "# AI agents\n\nAn agent acts for someone [1]."},
                HTML: {"schema": {"type": "string"}, "example": "<!doctype html>…<h1>AI agents</h1>…"},
            },
        },
        202: {
            "description": "The task still runs",
            "model": Running,
            "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}},
        },
        **documented(404, 409, 410, 503),
    },
)
async def result(_: Reader, task_id: TaskId, services: Services, accept: Accept) -> Response:
    """
    What the task made: JSON, or by `Accept` the document for people as Markdown or as a page.

    The JSON has the document as it was written, in the `output.format` of the task; the other two are made of it
    where it was written in another form.
    """
    view = await view_of(task_id, services)
    if not view.status.terminal:
        running = Running(task_id=task_id, status=view.status, links=Links.of(task_id))
        return JSONResponse(running.model_dump(mode="json"), 202, headers={"Retry-After": str(RETRY_AFTER_S)})
    if view.status is not TaskStatus.COMPLETED:
        reason = (view.error or {}).get("message", "no reason is known")
        raise NoResult(f"The task is {view.status}: {reason}")
    response = await _in_form(negotiated(accept, (JSON, MARKDOWN, HTML)), view, services)
    response.headers["Vary"] = "Accept"
    return response


def finished(view: TaskView, outputs: Mapping[int, StepOutput]) -> FinishedTask:
    """The task and its result in one; without a result when it came to none."""
    return FinishedTask(**dict(view), outputs=_bodies(outputs), links=Links.of(view.task_id))


async def _in_form(media_type: str, view: TaskView, services: ApiServices) -> Response:
    outputs = await services.reader.outputs(view)
    if media_type == MARKDOWN:
        return Response(_markdown(outputs), media_type=f"{MARKDOWN}; charset=utf-8")
    if media_type == HTML:
        return Response(await _html(view.task, outputs, services.pages), media_type=HTML, headers=page.HEADERS)
    body = ResultBody(task_id=view.task_id, outputs=_bodies(outputs))
    return Response(body.model_dump_json(), media_type=JSON)


async def _html(title: str, outputs: Mapping[int, StepOutput], turns: anyio.CapacityLimiter) -> str:
    """The page that a task wrote itself, which runs under the same policy; else one made of the Markdown."""
    only = next(iter(outputs.values())) if len(outputs) == 1 else None
    if only and only.media_type == HTML and only.text is not None:
        return only.text
    return await _page(title, _markdown(outputs), turns)


async def _page(title: str, markdown: str, turns: anyio.CapacityLimiter) -> str:
    try:
        with anyio.fail_after(PAGE_WAIT_S):
            return await to_thread.run_sync(page.page, title, markdown, limiter=turns)
    except TimeoutError as error:
        raise Unavailable("Too many pages are being made.") from error


def _bodies(outputs: Mapping[int, StepOutput]) -> list[OutputBody]:
    return [
        OutputBody(
            step_id=step_id, summary=output.summary, data=output.data, text=output.text, media_type=output.media_type
        )
        for step_id, output in sorted(outputs.items())
    ]


def _markdown(outputs: Mapping[int, StepOutput]) -> str:
    """The documents of the last steps; a step that made none is told by its summary."""
    return "\n\n".join(_as_markdown(output) for _, output in sorted(outputs.items()))


def _as_markdown(output: StepOutput) -> str:
    if output.text is None or output.media_type in (MARKDOWN, PLAIN):
        return output.text or output.summary
    return output.markdown or _fenced(output.text)


def _fenced(text: str) -> str:
    """As code, which nothing in it can end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"
