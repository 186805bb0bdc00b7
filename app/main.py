"""The API process: `uvicorn --factory app.main:create_app`."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.api import (
    agents,
    bulk,
    dashboard,
    document,
    event_pages,
    firehose,
    fleet,
    health,
    listing,
    metrics,
    outputs,
    refusing,
    requests,
    results,
    steering,
    stream,
    system,
    tasks,
    whoami,
)
from app.api.headers import SafeHeaders, allow_origins
from app.api.methods import HeadAsGet, Methods
from app.api.request_log import RequestLog
from app.api.traced import Traced
from app.bootstrap.api import api_services
from app.bootstrap.startup import begin
from app.config import Settings
from app.draining import heard
from app.logs.setup import configure_structlog
from app.metrics.prometheus.process import ApiMetrics
from app.tracing.door import traced
from app.version import VERSION

#: A request is held against them in this order; streams come first because all viewers may come at once.
ROUTERS = (
    stream.router, tasks.submissions, listing.router, bulk.router, tasks.router, results.router, steering.steering,
    steering.router, event_pages.router, firehose.router, metrics.router, agents.router, fleet.router, system.router,
    health.router, outputs.router, requests.router, whoami.router, dashboard.router,
)  # fmt: skip
DESCRIPTION = """
Multi-step agent tasks as durable background work: submit a task, watch every transition as an event,
fetch the result. Errors are `application/problem+json` (RFC 9457).
"""


class Api(FastAPI):
    """The application; its OpenAPI document says more than FastAPI can know of itself."""

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            self.openapi_schema = document.described(super().openapi())
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """Around all else, so that answers to bugs have these headers, an id and a line as well."""
        headers = SafeHeaders(HeadAsGet(super().build_middleware_stack()))
        logged = RequestLog(headers, lines=self.state.settings.access_log)
        if not traced(self.state.settings.tracing):
            return logged
        return Traced(logged, lambda: self.state.services.tracer)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application of one process; its connections are opened and closed with it. See `startup.begin`."""
    settings = settings or begin("api")
    configure_structlog()
    app = Api(
        title="Stepstream",
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        generate_unique_id_function=document.operation_id,
        lifespan=_lifespan,
        # Their pages load scripts from elsewhere; there is `/openapi.json` for the viewer of one's choice.
        docs_url=None,
        redoc_url=None,
        # A redirect repeats whatever `Host` the client has sent.
        redirect_slashes=False,
        # Ours are in `app/api/traced.py`.
        telemetry={"tracing": False},
    )
    app.state.settings = settings
    app.state.metrics = ApiMetrics()
    refusing.install(app)
    allow_origins(app, settings.cors_origins)
    for router in ROUTERS:
        app.include_router(router)
    app.state.methods = Methods(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with api_services(app.state.settings) as services:
        app.state.services = services
        spare_the_collector()
        with heard(services.draining):
            yield


@cache
def spare_the_collector() -> None:
    """
    Has the garbage collector look at all objects rarely, and never at those of the program itself.

    Ten thousand open streams are a million objects that live long. By default a full look at them, up to a second
    each time, is taken whenever their number has grown by a quarter. A stream that ends leaves nothing to it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 100)
