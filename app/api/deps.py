"""What routes are handed, and how a body is read."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header, Path, Request, Security
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from app.access.principal import Principal, Scope
from app.api.auth import admitted, caller, declared_scope
from app.api.compiled import compiled
from app.api.problems import BodyTooLarge, BodyTooSlow, MalformedBody, NotJson, TaskExpired
from app.bootstrap.api import ApiServices
from app.config import Settings
from app.draining import Draining
from app.errors import TaskNotFound, Unavailable
from app.metrics.prometheus.process import ApiMetrics
from app.model.task import TaskView, created_ms, is_task_id

#: Of a declared length that is worth reading.
DIGITS_MAX = 18
#: So long the rest of a body may take to arrive at a process that is about to end.
DRAIN_BODY_S = 3.0
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


# Plain functions would each be run in a thread, which costs as much as all the rest of a small request.
async def _services(request: Request) -> ApiServices:
    services: ApiServices = request.app.state.services
    return services


async def _metrics(request: Request) -> ApiMetrics:
    metrics: ApiMetrics = request.app.state.metrics
    return metrics


async def _traceparent(
    traceparent: Annotated[str | None, Header(description="W3C trace context.")] = None,
) -> str | None:
    """The trace a client continues; a malformed one is ignored, as the standard asks."""
    return traceparent if traceparent and TRACEPARENT.fullmatch(traceparent) else None


Services = Annotated[ApiServices, Depends(_services)]
Metrics = Annotated[ApiMetrics, Depends(_metrics)]
Traceparent = Annotated[str | None, Depends(_traceparent)]
#: Who asks. A route declares its scope by one of these four, and is open to all without; see `app/api/auth.py`.
Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ])]
Submitter = Annotated[Principal, Security(caller, scopes=[Scope.SUBMIT])]
Scraper = Annotated[Principal, Security(caller, scopes=[Scope.METRICS])]
Admin = Annotated[Principal, Security(caller, scopes=[Scope.ADMIN])]


async def prove_owned(task_ids: Sequence[str], principal: Principal, services: ApiServices) -> None:
    """Raises `TaskNotFound` for the first that is no task of the caller's tenant, whether or not it is another's."""
    for task_id in task_ids:
        if not is_task_id(task_id):
            raise TaskNotFound(task_id[:80])
    owned = await services.access.tenancy.owned(principal.tenant, task_ids)
    for task_id, ours in zip(task_ids, owned, strict=True):
        if not ours:
            raise gone(task_id, services)


async def _task_id(
    request: Request, services: Services, task_id: Annotated[str, Path(description="Id of a task.")]
) -> str:
    await prove_owned([task_id], await admitted(request), services)
    return task_id


TaskId = Annotated[str, Depends(_task_id)]


def until_answered(request: Request) -> AsyncExitStack:
    """What is entered here is left when the answer has ended: FastAPI's own stack, for dependencies that yield."""
    stack: AsyncExitStack = request.scope["fastapi_inner_astack"]
    return stack


async def take_places(request: Request, services: ApiServices, size: int = 1) -> None:
    """Some of the streams that the caller's key may have; given back when the answer has ended, whoever ended it."""
    principal = await admitted(request)
    if principal.key_id is not None:
        until_answered(request).enter_context(services.access.streams.place(principal, size))


# No dependency that yields, which costs each request more than this does: all viewers may come at once.
async def _stream_place(request: Request, services: Services) -> None:
    await take_places(request, services)


#: For routes that answer with a stream.
StreamPlace = Annotated[None, Depends(_stream_place)]


def gone(task_id: str, services: ApiServices) -> TaskNotFound:
    """Why there is no such task: it never was, or its time is over, as its id tells."""
    if created_ms(task_id) < time.time() * 1000 - services.settings.retention_s * 1000:
        return TaskExpired(task_id)
    return TaskNotFound(task_id)


def refuse_while_draining(services: ApiServices) -> None:
    """For whatever would stay: raises `Unavailable` when this process is about to end."""
    if services.draining.is_set():
        raise Unavailable("This process is about to end; another one is there for you.", retry_after_s=1)


@contextmanager
def kept(services: ApiServices) -> Iterator[None]:
    """Where a task that is named may be missing: says which of both ways."""
    try:
        yield
    except TaskNotFound as error:
        raise gone(error.task_id, services) from error


async def view_of(task_id: str, services: ApiServices) -> TaskView:
    with kept(services):
        return await services.store.view(task_id)


class StrictJsonRequest(Request):
    """
    Reads a bounded body and nothing but JSON.

    Python's own parser lets NaN, lone surrogates and bottomless nesting pass, which nothing behind it
    can store.
    """

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            settings: Settings = self.app.state.settings
            services: ApiServices = self.app.state.services
            try:
                async with _time_to_arrive(settings.body_s_max, services.draining):
                    self._body = await self._bounded(settings.body_bytes_max)
            except TimeoutError as error:
                refuse_while_draining(services)
                raise BodyTooSlow(f"The body was not complete within {settings.body_s_max:g} seconds.") from error
            except ClientDisconnect as error:
                raise MalformedBody("The body was cut off.") from error
        return self._body

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            try:
                self._json = orjson.loads(await self.body())
            except orjson.JSONDecodeError as error:
                raise MalformedBody(f"The body is not JSON: {error}.") from error
        return self._json

    async def _bounded(self, limit: int) -> bytes:
        declared = self.headers.get("content-length", "")
        if declared.isdecimal() and (len(declared) > DIGITS_MAX or int(declared) > limit):
            raise BodyTooLarge(f"The body has {declared[:DIGITS_MAX]} bytes; the limit is {limit}.")
        body = bytearray()
        async for chunk in self.stream():
            body += chunk
            if len(body) > limit:
                raise BodyTooLarge(f"The body has more than {limit} bytes.")
        return bytes(body)


@asynccontextmanager
async def _time_to_arrive(seconds: float, draining: Draining) -> AsyncIterator[None]:
    """Raises `TimeoutError`; a server that is to end waits for every answer, so then there is little time left."""
    async with asyncio.timeout(seconds) as limit:

        def shorten() -> None:
            now_s = asyncio.get_running_loop().time()
            limit.reschedule(min(limit.when() or now_s, now_s + DRAIN_BODY_S))

        with draining.calling(shorten):
            yield


class JsonRoute(APIRoute):
    """A route with a JSON body: checks the content type, then reads strictly."""

    body_required = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = (self.body_required and compiled(self)) or super().get_route_handler()

        async def strict(request: Request) -> Response:
            # Before the body: nobody sends megabytes to be told that they may not.
            if declared_scope(self.endpoint) is not None:
                await admitted(request)
            strict_request = StrictJsonRequest(request.scope, request.receive)
            # Read here, because what is raised inside the handler becomes an error of FastAPI's.
            if await self._expects_json(strict_request):
                await strict_request.json()
            return await handler(strict_request)

        return strict

    async def _expects_json(self, request: Request) -> bool:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        left_out = not self.body_required and media_type in ("", "application/json") and not await request.body()
        if not left_out and media_type != "application/json":
            raise NotJson("Send the body as application/json.")
        return not left_out


class OptionalJsonRoute(JsonRoute):
    """A route whose body may be left out altogether, and the content type with it."""

    body_required = False
