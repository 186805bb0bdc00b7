"""
Errors as `application/problem+json` (RFC 9457); the only place that knows which HTTP status an error becomes.

| problem              | status | when                                                     |
|----------------------|--------|----------------------------------------------------------|
| malformed-body       | 400    | the body is not JSON                                     |
| bad-cursor           | 400    | a position that no log or list can have given out        |
| key-in-url           | 400    | a key is sent in the URL                                 |
| key-needed           | 401    | the request needs a key and has none                     |
| key-refused          | 401    | the key is unknown, revoked or expired                   |
| scope-missing        | 403    | the key is good, but not for this                        |
| foreign-origin       | 403    | without a key: a page of another origin asks             |
| task-not-found       | 404    | no task with this id, or another tenant's                |
| queue-not-found      | 404    | no agent has this queue, and it was never used           |
| letter-not-found     | 404    | no such dead letter, or it is gone                       |
| body-too-slow        | 408    | the body did not come within `body_s_max`                |
| not-possible         | 409    | the task's state does not allow it                       |
| no-result            | 409    | the task failed or was cancelled: there is no result     |
| task-expired         | 410    | the task is older than the retention                     |
| body-too-large       | 413    | the body is larger than `body_bytes_max`                 |
| not-json             | 415    | the content type is not JSON                             |
| foreign-host         | 421    | without a key: the `Host` is none of this machine's      |
| idempotency-conflict | 422    | the idempotency key came before with another request     |
| invalid-request      | 422    | a rule is broken; `errors` lists every problem           |
| rate-limited         | 429    | the key has asked too often; see `Retry-After`           |
| too-many-streams     | 429    | the key has too many open streams                        |
| backlog-full         | 503    | too much work waits already; see `Retry-After`           |
| unavailable          | 503    | Redis is away or full; see `Retry-After`                 |

Whatever else HTTP can refuse has the type `about:blank` and the title of its status.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app.access import errors as refusals
from app.errors import (
    BacklogFull,
    BadCursor,
    IdempotencyConflict,
    InvalidRequest,
    LetterNotFound,
    NotPossible,
    QueueNotFound,
    StepstreamError,
    TaskNotFound,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:stepstream:problem:"

log = structlog.get_logger(__name__)


class ErrorItem(BaseModel):
    """One thing that is wrong: in the body (`pointer`, RFC 6901) or in a parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemBody(BaseModel):
    """An error, as RFC 9457 describes one."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ErrorItem] | None = None


class MalformedBody(StepstreamError):
    """The body is not JSON."""


class NotJson(StepstreamError):
    """The body is not declared as JSON."""


class BodyTooSlow(StepstreamError):
    """The body did not come in time."""


class BodyTooLarge(StepstreamError):
    """The body is larger than this server takes."""


class TaskExpired(TaskNotFound):
    """The task was here and is no longer kept."""


class NoResult(StepstreamError):
    """The task ended without a result."""


#: Looked up along the error's classes, so the most specific one counts.
KINDS: dict[type[StepstreamError], tuple[int, str, str]] = {
    MalformedBody: (400, "malformed-body", "The body is not JSON"),
    BadCursor: (400, "bad-cursor", "Not a position in a log or a list"),
    refusals.KeyInUrl: (400, "key-in-url", "A key stands in the URL"),
    refusals.KeyNeeded: (401, "key-needed", "A key is needed"),
    refusals.KeyRefused: (401, "key-refused", "The key is not valid"),
    refusals.ScopeMissing: (403, "scope-missing", "The key is not for this"),
    refusals.ForeignOrigin: (403, "foreign-origin", "A page of another origin"),
    TaskNotFound: (404, "task-not-found", "No such task"),
    QueueNotFound: (404, "queue-not-found", "No such queue"),
    LetterNotFound: (404, "letter-not-found", "No such dead letter"),
    BodyTooSlow: (408, "body-too-slow", "The body came too slowly"),
    NotPossible: (409, "not-possible", "The task's state does not allow it"),
    NoResult: (409, "no-result", "The task has no result"),
    TaskExpired: (410, "task-expired", "The task has expired"),
    BodyTooLarge: (413, "body-too-large", "The body is too large"),
    NotJson: (415, "not-json", "The content type is not JSON"),
    refusals.ForeignHost: (421, "foreign-host", "Not a name of this machine"),
    IdempotencyConflict: (422, "idempotency-conflict", "The idempotency key belongs to another request"),
    InvalidRequest: (422, "invalid-request", "The request breaks a rule"),
    refusals.RateExceeded: (429, "rate-limited", "The key has asked too often"),
    refusals.TooManyStreams: (429, "too-many-streams", "The key has too many open streams"),
    BacklogFull: (503, "backlog-full", "Too much work waits"),
    Unavailable: (503, "unavailable", "Not available at the moment"),
}
#: What every route that asks for a scope may answer.
KEYED = (400, 401, 403, 421, 429, 503)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""
    app.add_exception_handler(StepstreamError, _on_own_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    return {status: _documentation(status) for status in statuses}


def described(openapi: dict[str, Any]) -> dict[str, Any]:
    """Adds the schema of problems, and takes out the validation errors that FastAPI would send by itself."""
    schemas = openapi["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    body = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= body.pop("$defs") | {"ProblemBody": body}
    for path in openapi["paths"].values():
        for operation in path.values():
            if "security" in operation:
                operation["responses"] |= {str(status): _documentation(status) for status in KEYED}
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    return openapi


def problem(
    request: Request, kind: tuple[int, str, str], detail: str, errors: Sequence[ErrorItem] = ()
) -> JSONResponse:
    status, name, title = kind
    body = ProblemBody(
        type=TYPE_PREFIX + name if name else "about:blank",
        title=title, status=status, detail=detail, instance=request.scope["path"], errors=list(errors) or None,
    )  # fmt: skip
    return JSONResponse(body.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE)


async def _on_own_error(request: Request, error: Exception) -> Response:
    kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
    found = error.problems if isinstance(error, InvalidRequest) else []
    response = problem(
        request, kind, _sentence(error), [ErrorItem(pointer=item.pointer, detail=item.detail) for item in found]
    )
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, refusals.Refused):
        response.headers.update(error.headers)
        request.app.state.metrics.refusals.labels(kind[1]).inc()
    return response


def _sentence(error: Exception) -> str:
    if isinstance(error, InvalidRequest):
        count = len(error.problems)
        return f"{count} problem{'s' if count > 1 else ''} found; see errors."
    return str(error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class only
    items = [_item(found) for found in error.errors()]
    detail = f"{len(items)} problem{'s' if len(items) > 1 else ''} found; see errors."
    return problem(request, KINDS[InvalidRequest], detail, items)


def _item(found: dict[str, Any]) -> ErrorItem:
    where, *path = found["loc"]
    detail = found["msg"].removeprefix("Value error, ")
    if where == "body":
        return ErrorItem(pointer="".join(f"/{_escaped(part)}" for part in path if part != "[key]"), detail=detail)
    return ErrorItem(parameter=".".join(map(str, path)), detail=detail)


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class only
    if error.status_code == 405:
        return _on_other_method(request)
    title = HTTPStatus(error.status_code).phrase
    response = problem(
        request, (error.status_code, "", title), f"{request.method} {request.scope['path']}: {error.detail}"
    )
    response.headers.update(error.headers or {})
    return response


def _on_other_method(request: Request) -> Response:
    """No route has this method for its path: OPTIONS is answered with those that it has, any other is refused."""
    path = request.scope["path"]
    headers = {"Allow": request.app.state.methods.allow(path)}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    response = problem(request, (405, "", "Method Not Allowed"), f"{path} has {headers['Allow']}.")
    response.headers.update(headers)
    return response


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("request_failed", method=request.method, path=request.scope["path"], exc_info=error)
    return problem(request, (500, "", "Internal Server Error"), "Something went wrong here; it has been logged.")


def _documentation(status: int) -> dict[str, Any]:
    kinds = [(name, title) for known, name, title in KINDS.values() if known == status]
    examples = {name: {"summary": title, "value": _example(status, name, title)} for name, title in kinds}
    documentation: dict[str, Any] = {
        "description": "; or: ".join(title for _, title in kinds),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}, "examples": examples}},
    }
    if status in (429, 503):
        documentation["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    return documentation


def _example(status: int, name: str, title: str) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": TYPE_PREFIX + name, "title": title, "status": status, "detail": title + ".", "instance": "/path",
    }  # fmt: skip
    if name == "invalid-request":
        example["errors"] = [{"pointer": "/plan/0/agent", "detail": "is not an agent"}]
    return example
