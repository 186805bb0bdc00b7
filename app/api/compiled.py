"""
Parameters of routes, found without FastAPI's solver.

FastAPI walks through all that a route asks for with each request; for a submission that takes as long as to plan it
and write it. What it has read from the signature stays the same: here the tree of dependencies becomes a list of calls,
once. A test holds both to the same answers. A route that asks for anything unusual is left to FastAPI.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo
from starlette.datastructures import Headers

MISSING = object()

Solve = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Header:
    """A header as a parameter; `default` stands in where a request has none."""

    param: Any
    name: bytes
    default: Any
    #: How it is taken from the headers as it is; `None` where FastAPI has to look at it.
    take: Callable[[Headers, str], Any] | None


@dataclass(frozen=True, slots=True)
class _Call:
    """One function and what it is handed: results of calls before it, the request, headers, the body."""

    function: Callable[..., Awaitable[Any]]
    results: list[tuple[str, int]]
    request_names: list[str]
    headers: list[_Header]
    body: Any
    #: How many arguments it has when nothing is wrong.
    size: int


@dataclass(frozen=True, slots=True)
class _Brought:
    """What a request has brought."""

    request: Request
    header_names: set[bytes]
    body: Any


def compiled(route: APIRoute) -> Solve | None:
    """A handler for a route that returns responses and asks for nothing unusual; `None` for any other."""
    returns = inspect.signature(route.endpoint).return_annotation
    if not (inspect.isclass(returns) and issubclass(returns, Response)):
        return None
    calls: list[_Call] = []
    if not _flatten(route.dependant, calls, {}):
        return None
    *before, endpoint = calls
    has_body = any(call.body is not None for call in calls)

    async def handle(request: Request) -> Response:
        brought = _Brought(
            request, {name for name, _ in request.scope["headers"]}, await request.json() if has_body else None
        )
        results: list[Any] = []
        errors: list[Any] = []
        for call in before:
            arguments = _arguments(call, brought, results, errors)
            # Where something is wrong, nothing is called that would be handed it.
            broken = bool(errors) and (len(arguments) < call.size or MISSING in arguments.values())
            results.append(MISSING if broken else await call.function(**arguments))
        arguments = _arguments(endpoint, brought, results, errors)
        if errors:
            raise RequestValidationError(errors)
        response: Response = await endpoint.function(**arguments)
        return response

    return handle


def _arguments(call: _Call, brought: _Brought, results: list[Any], errors: list[Any]) -> dict[str, Any]:
    """What a call is handed, without that in which something is wrong; what that is goes to `errors`."""
    arguments = {name: results[place] for name, place in call.results}
    for name in call.request_names:
        arguments[name] = brought.request
    for header in call.headers:
        errors += _read_header(header, brought, arguments)
    if call.body is not None:
        errors += _read_body(call.body, brought.body, arguments)
    return arguments


def _read_header(header: _Header, brought: _Brought, arguments: dict[str, Any]) -> list[Any]:
    if header.name not in brought.header_names:
        arguments[header.param.name] = header.default
        return []
    headers = brought.request.headers
    if header.take is not None:
        arguments[header.param.name] = header.take(headers, header.param.alias)
        return []
    values, errors = request_params_to_args([header.param], headers)
    arguments |= values
    return errors


def _read_body(param: Any, body: object, arguments: dict[str, Any]) -> list[Any]:
    value, errors = param.validate(body, {}, loc=("body",))
    if not errors:
        arguments[param.name] = value
    return list(errors)


def _flatten(dependant: Dependant, calls: list[_Call], places: dict[Any, int]) -> bool:
    """Appends the calls below a dependant, each function once, and its own; false when it asks for anything unusual."""
    function = dependant.call
    if function is None or not _is_plain(dependant, function):
        return False
    results = []
    for inner in dependant.dependencies:
        if inner.call not in places and not _flatten(inner, calls, places):
            return False
        if inner.name is not None:
            results.append((inner.name, places[inner.call]))
    headers = [
        _Header(param, param.alias.lower().encode(), param.default, _take(param.field_info))
        for param in dependant.header_params
    ]
    body = dependant.body_params[0] if dependant.body_params else None
    request_names = [name for name in (dependant.request_param_name, dependant.http_connection_param_name) if name]
    size = len(results) + len(request_names) + len(headers) + (body is not None)
    calls.append(_Call(function, results, request_names, headers, body, size))
    places[function] = len(calls) - 1
    return True


def _is_plain(dependant: Dependant, function: Callable[..., Any]) -> bool:
    is_coroutine = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    unusual = (
        dependant.path_params, dependant.query_params, dependant.cookie_params, dependant.body_params[1:],
        dependant.websocket_param_name, dependant.response_param_name, dependant.background_tasks_param_name,
        dependant.security_scopes_param_name, not dependant.use_cache, getattr(dependant, "concurrency", None),
    )  # fmt: skip
    headers = dependant.header_params
    optional = all(not param.field_info.is_required() and _is_constant(param.default) for param in headers)
    return is_coroutine and optional and not any(unusual)


def _take(about: FieldInfo) -> Callable[[Headers, str], Any] | None:
    """Texts to which no rule applies need no validation."""
    if not all(isinstance(rule, WithJsonSchema) for rule in about.metadata):
        return None
    if about.annotation == str | None:
        return Headers.get
    return Headers.getlist if about.annotation == Sequence[str] else None


def _is_constant(value: object) -> bool:
    """Whether all requests may share it."""
    return value is None or value == () or isinstance(value, str | int)
