"""How a body is read: as JSON and nothing else, bounded in size and in the time that it may take."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from app.api.auth import admitted, declared_scope
from app.api.compiled import compiled
from app.api.deps import refuse_while_draining
from app.api.problems import BodyTooLarge, BodyTooSlow, MalformedBody, NotJson
from app.bootstrap.api import ApiServices
from app.config import Settings
from app.draining import Draining

#: Of a declared length that is worth reading.
DIGITS_MAX = 18
#: So long the rest of a body may take to arrive at a process that is about to end.
DRAIN_BODY_S = 3.0


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
        if request.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
            raise NotJson("Send the body as it is, without a Content-Encoding.")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        left_out = not self.body_required and media_type in ("", "application/json") and not await request.body()
        if not left_out and media_type != "application/json":
            raise NotJson("Send the body as application/json.")
        return not left_out


class OptionalJsonRoute(JsonRoute):
    """A route whose body may be left out altogether, and the content type with it."""

    body_required = False
