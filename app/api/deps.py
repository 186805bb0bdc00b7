"""What routes are handed."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated

from fastapi import Depends, Header, Path, Request, Security

from app.access.principal import Principal, Scope
from app.api.auth import admitted, caller
from app.api.problems import TaskExpired
from app.bootstrap.api import ApiServices
from app.errors import TaskNotFound, Unavailable
from app.metrics.prometheus.process import ApiMetrics
from app.model.task import TaskView, created_ms, is_task_id

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
        return await services.reader.view(task_id)
