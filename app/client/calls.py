"""
What can be asked of the API about tasks: what is sent, what comes back. The one place for both clients.

A function here, in `list_calls.py`, `event_calls.py` and `fleet_calls.py` is a method of `Client` and of
`AsyncClient` with the same arguments. What it returns tells how: a `Call[T]` becomes a method that returns `T`,
`Pages[T]` one that iterates over `T`, a `Follower` one that iterates over events, live.

Each may raise `ApiUnreachable` and `ApiError`; docs/http.md says with which status.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2

from app.client.call import Call, When, as_model, given, moment, nothing, segment
from app.client.errors import ApiError
from app.metrics.figures import TaskMetrics
from app.model.answers import Accepted, AgentBody, CallerBody, OutputBody, PlanBody, RequestBody, ResultBody
from app.model.output import OutputFormat
from app.model.plan import Plan, PlannerChoice
from app.model.task import CancelMode, Concurrency, Document, TaskView

RUNNING = 202

T = TypeVar("T")


def submit(  # noqa: PLR0913  # what a task may have, all by name
    task: str,
    *,
    plan: object | None = None,
    planner: PlannerChoice | None = None,
    documents: Sequence[Document] = (),
    collection: str | None = None,
    urls: Sequence[str] = (),
    web: bool = False,
    output_format: OutputFormat = OutputFormat.MARKDOWN,
    priority: int = 5,
    labels: Mapping[str, str] | None = None,
    deadline: When | None = None,
    not_before: When | None = None,
    concurrency: Concurrency | None = None,
    idempotency_key: str | None = None,
) -> Call[Accepted]:
    """
    Hands a task in; it will reach a terminal state.

    Without `plan` the server plans, by its rules or its language model: `planner` says which, where it matters.
    Without `idempotency_key` it is never sent twice: after `ApiUnreachable` the task may or may not have
    been accepted. With one it is sent again for `silence_s_max` while nobody answers or the API is busy.
    """
    inputs = {
        "documents": [document.model_dump() for document in documents], "collection": collection, "urls": list(urls),
        "web": web,
    }  # fmt: skip
    body = {"task": task, "priority": priority, "labels": dict(labels or {})} | given(
        inputs={name: value for name, value in inputs.items() if value} or None,
        plan=plan,
        planner=planner,
        output=None if output_format == OutputFormat.MARKDOWN else {"format": output_format},
        deadline=moment(deadline),
        not_before=moment(not_before),
        concurrency=asdict(concurrency) if concurrency else None,
    )
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return Call("POST", "/run-task", as_model(Accepted), headers=headers, body=body, repeatable=bool(headers))


def preview(  # noqa: PLR0913  # as `submit`
    task: str,
    *,
    plan: object | None = None,
    planner: PlannerChoice | None = None,
    documents: Sequence[Document] = (),
    collection: str | None = None,
    urls: Sequence[str] = (),
    web: bool = False,
) -> Call[Plan]:
    """The plan that `submit` would run; runs nothing."""
    request = submit(task, plan=plan, planner=planner, documents=documents, collection=collection, urls=urls, web=web)
    return Call("POST", "/plan", as_model(Plan), body=request.body)


def task(task_id: str) -> Call[TaskView]:
    """The task and its steps as they stand."""
    return Call("GET", _path(task_id), as_model(TaskView))


def whoami() -> Call[CallerBody]:
    """What the key is good for."""
    return Call("GET", "/whoami", as_model(CallerBody))


def plan(task_id: str) -> Call[PlanBody]:
    """The plan of a task with the state of each step."""
    return Call("GET", f"{_path(task_id)}/plan", as_model(PlanBody))


def request(task_id: str, *, documents: bool = True) -> Call[RequestBody]:
    """The body that would submit the task once more, with or without the texts that came with it."""
    return Call("GET", f"{_path(task_id)}/request", as_model(RequestBody), params={"documents": documents})


def result(task_id: str) -> Call[ResultBody]:
    """What the task made; `ApiError` with status 202 while it runs, 409 when it failed."""
    return _result(task_id, "application/json", as_model(ResultBody))


def output(task_id: str, step_id: int) -> Call[OutputBody]:
    """What one step left behind, as soon as it has succeeded; `ApiError` with status 404 before."""
    return Call("GET", f"{_path(task_id)}/steps/{step_id}/output", as_model(OutputBody))


def markdown(task_id: str) -> Call[str]:
    """The same as `result`, as a Markdown document."""
    return _result(task_id, "text/markdown", lambda response: response.text)


def html(task_id: str) -> Call[str]:
    """The same as a page for a browser, of which nothing was trusted."""
    return _result(task_id, "text/html", lambda response: response.text)


def metrics(task_id: str) -> Call[TaskMetrics]:
    """What the task took."""
    return Call("GET", f"/metrics/{segment(task_id)}", as_model(TaskMetrics))


def ended(task_id: str) -> Call[TaskView]:
    """The task once more, behind its end; what `wait` returns."""
    return replace(task(task_id), repeatable=True)


def cancel(task_id: str, mode: CancelMode = CancelMode.GRACEFUL, reason: str | None = None) -> Call[TaskView]:
    """Ends a task early; the answer is the task, as it ended if it had ended already."""
    return _steer(task_id, "cancel", mode=mode, reason=reason)


def pause(task_id: str, reason: str | None = None) -> Call[TaskView]:
    """Starts nothing more of a task until `resume`; what runs is finished."""
    return _steer(task_id, "pause", reason=reason)


def resume(task_id: str, reason: str | None = None) -> Call[TaskView]:
    """Lets a task go on."""
    return _steer(task_id, "resume", reason=reason)


def retry(task_id: str, from_step: int | None = None) -> Call[TaskView]:
    """Runs what did not succeed again, in place; with `from_step` that step and what depends on it too."""
    return _steer(task_id, "retry", from_step=from_step)


def fork(task_id: str, from_step: int | None = None, plan: object | None = None) -> Call[Accepted]:
    """A new task that takes over what the change does not touch."""
    body = given(from_step=from_step, plan=plan)
    return Call("POST", f"{_path(task_id)}/fork", as_model(Accepted), body=body)


def delete(task_id: str) -> Call[None]:
    """Deletes a task that has ended."""
    return Call("DELETE", _path(task_id), nothing)


def ready() -> Call[datetime | None]:
    """The API's clock, in whole seconds, if it accepts tasks now; else `ApiError` with status 503."""
    return Call("GET", "/readyz", _clock)


def agents() -> Call[list[AgentBody]]:
    """The agents that plans may name."""
    return Call("GET", "/agents", as_model(list[AgentBody]))


def _steer(task_id: str, verb: str, **members: object) -> Call[TaskView]:
    return Call("POST", f"{_path(task_id)}/{verb}", as_model(TaskView), body=given(**members))


def _clock(response: httpx2.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None


def _path(task_id: str) -> str:
    return f"/tasks/{segment(task_id)}"


def _result(task_id: str, media_type: str, read: Callable[[httpx2.Response], T]) -> Call[T]:
    def finished(response: httpx2.Response) -> T:
        if response.status_code == RUNNING:
            raise ApiError(RUNNING, {"detail": "the task is still running"})
        return read(response)

    return Call("GET", f"{_path(task_id)}/result", finished, headers={"Accept": media_type})
