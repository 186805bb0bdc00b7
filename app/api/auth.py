"""
Who sends a request, and whether they may.

`Reader`, `Submitter`, `Scraper` and `Admin` (`app/api/deps.py`) in the signature of a route say which scope it asks
for; `admitted` finds out who asks and holds them to it, once per request and before the body is read.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

from fastapi import Depends, Request, params
from fastapi.security import HTTPBearer

from app.access.errors import KeyInUrl, KeyNeeded, KeyRefused, ScopeMissing
from app.access.exposure import is_local, refuse_foreign_pages
from app.access.principal import OPEN, Principal, Scope
from app.api.headers import KEY_IN_URL, add_header
from app.bootstrap.api import ApiServices
from app.errors import Unavailable

BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    bearerFormat="sk_<id>_<secret>",
    description="A key of `stepstream keys create`. At a loopback address the server may do without.",
)


async def caller(request: Request, _: Annotated[object, Depends(BEARER)]) -> Principal:
    """Who asks; raises `KeyNeeded`, `KeyRefused` or `ScopeMissing`."""
    return await admitted(request)


async def admitted(request: Request) -> Principal:
    """Who asks, found to have the scope that the route declares; the same for the whole request."""
    state: dict[str, Any] = request.scope.setdefault("state", {})
    if state.get("admitted"):
        return cast("Principal", state["principal"])
    needed = declared_scope(request.scope["route"].endpoint)
    if needed is None:
        raise LookupError(f"{request.scope['route'].path} needs a caller and declares no scope")
    principal = await _authenticated(request)
    # Kept already here, so that a refusal is logged with the id of its key.
    state["principal"] = principal
    if not principal.may(needed):
        raise ScopeMissing(needed)
    await _count(request, principal, needed)
    state["admitted"] = True
    return principal


async def _count(request: Request, principal: Principal, scope: Scope) -> None:
    """
    Takes the request from the key's limit.

    When Redis cannot tell, it passes: a limit is to keep one caller from harming the others, and a limiter that is
    out of order, because Redis is full, say, must not keep everybody from reading what it has accepted.
    """
    try:
        quota = await _services(request).access.limiter.take(principal, scope)
    except Unavailable:
        request.app.state.metrics.limiter_errors.inc()
        return
    for name, value in quota.headers.items() if quota else ():
        add_header(request, name, value)


def _services(request: Request) -> ApiServices:
    services: ApiServices = request.app.state.services
    return services


@cache
def declared_scope(endpoint: Callable[..., Any]) -> Scope | None:
    """The scope that a route's signature asks for, or `None` when it is open to all."""
    hints = get_type_hints(endpoint, include_extras=True)
    found = {scope for name in inspect.signature(endpoint).parameters if (scope := _scope_of(hints.get(name)))}
    if len(found) > 1:
        raise LookupError(f"{endpoint.__qualname__} declares more than one scope")
    return found.pop() if found else None


def _scope_of(hint: object) -> Scope | None:
    if get_origin(hint) is not Annotated:
        return None
    marks = [mark for mark in get_args(hint)[1:] if isinstance(mark, params.Security) and mark.dependency is caller]
    return Scope(cast("list[str]", marks[0].scopes)[0]) if marks else None


async def _authenticated(request: Request) -> Principal:
    if request.scope[KEY_IN_URL]:
        raise KeyInUrl
    state = request.app.state
    credentials = request.headers.getlist("authorization")
    if credentials:
        # Also where none is needed: whoever shows a key wants to be held to it.
        scheme, _, key = credentials[0].partition(" ")
        if len(credentials) > 1 or scheme.lower() != "bearer":
            raise KeyRefused
        return await _services(request).access.keystore.principal(key.strip())
    if state.settings.auth != "auto" or not is_local(request.scope):
        raise KeyNeeded
    refuse_foreign_pages(request.headers, state.settings.cors_origins)
    return OPEN
