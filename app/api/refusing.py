"""Where errors become answers: one handler per family, each of them a problem document."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from app.access.errors import Refused
from app.api.problems import KINDS, MEDIA_TYPE, TYPE_PREFIX, ErrorItem, ProblemBody
from app.errors import InvalidRequest, StepstreamError, Unavailable


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""
    app.add_exception_handler(StepstreamError, _on_own_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


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
    if isinstance(error, Refused):
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
    if found["type"] == "recursion_depth_exceeded":
        path = path[:1]  # what follows are pydantic's own words, thousands of them
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


async def _on_bug(request: Request, error: Exception) -> Response:  # noqa: ARG001  # it is logged where it arrives
    return problem(request, (500, "", "Internal Server Error"), "Something went wrong here; it has been logged.")
