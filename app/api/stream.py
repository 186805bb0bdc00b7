"""A task's events as a stream: replay from where the client was, then live, to the end."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated, cast

import anyio
from fastapi import APIRouter, Header, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from app.api.deps import Reader, Services, StreamPlace, TaskId, gone
from app.api.problems import documented
from app.events.log import Cursor, StoredEvent
from app.events.sse import END, RESET, RETRY
from app.events.viewer import Reset, Viewer

SEND_TIMEOUT_S = 30.0
SHUTDOWN_GRACE_S = 3.0
TYPES_MAX = 50
CHUNK_BYTES_MAX = 64 << 10

router = APIRouter(tags=["events"])


@router.get(
    "/stream/{task_id}",
    response_class=Response,
    responses={
        200: {
            "description": "Frames with `id`, `event` and `data`, one per event; `stream.end` closes the stream, "
            "`stream.reset` means that all events so far are void and a full replay follows.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 42-51873\nevent: step.completed\ndata: {"v":1,"seq":42}\n\n',
                }
            },
        },
        204: {"description": "The task is over and the client has all of it: do not come back"},
        **documented(400, 404, 410, 503),
    },
)
async def stream_task(
    _: Reader,
    __: StreamPlace,
    task_id: TaskId,
    services: Services,
    last_event_id: Annotated[str | None, Header(description="Position; wins over `after`.")] = None,
    after: Annotated[str | None, Query(description="Position: a number or an event id.")] = None,
    types: Annotated[
        str | None, Query(description="Only these, as in `step.*,task.started`; terminal events always pass.")
    ] = None,
) -> Response:
    """Every event of the task behind the position, each exactly once and in order, until its last one."""
    cursor = Cursor.parse(after if last_event_id is None else last_event_id)
    last = await services.log.last(task_id)
    if last is None:
        raise gone(task_id, services)
    if last.terminal and cursor.seq and cursor.admits(last):
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return EventStream(services.hub.watch(task_id, cursor), TypeFilter(types), services.settings.heartbeat_s)


class TypeFilter:
    """Which events a client asked for; without a list, all."""

    def __init__(self, wanted: str | None) -> None:
        names = [name.strip() for name in (wanted or "").split(",")[:TYPES_MAX] if name.strip()]
        self._all = not names
        self._names = frozenset(name for name in names if not name.endswith("*"))
        self._prefixes = tuple(name[:-1] for name in names if name.endswith("*"))

    def __call__(self, event: StoredEvent) -> bool:
        return self._all or event.type in self._names or event.type.startswith(self._prefixes) or event.terminal


class EventStream(EventSourceResponse):
    """
    An open event stream; whatever ends it, its viewer gives its place back.

    A client that takes nothing for `SEND_TIMEOUT_S` is dropped: it comes back to where it was.
    """

    def __init__(self, viewer: Viewer, wanted: TypeFilter, heartbeat_s: float) -> None:
        self._viewer = viewer
        super().__init__(
            frames(viewer, wanted),
            ping=heartbeat_s,
            ping_message_factory=_heartbeat,
            send_timeout=SEND_TIMEOUT_S,
            # Of the event the library only ever uses `set`.
            shutdown_event=cast("anyio.Event", _OnShutdown(viewer)),
            shutdown_grace_period=SHUTDOWN_GRACE_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return
        finally:
            self._viewer.close()


class _OnShutdown:
    """Stands where the library sets an event at shutdown: the viewer ends, and with it the response, cleanly."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def set(self) -> None:
        self._viewer.stop()


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="heartbeat", sep="\n")


async def frames(viewer: AsyncIterable[list[StoredEvent] | Reset], wanted: TypeFilter) -> AsyncIterator[bytes]:
    """The bytes of a stream; events that lie ready at the same time go out in one piece."""
    yield RETRY
    terminal = False
    async for found in viewer:
        if isinstance(found, Reset):
            terminal = False
            yield RESET
            continue
        for chunk in _chunks([event.frame for event in found if wanted(event)]):
            yield chunk
        terminal = found[-1].terminal
    if terminal:
        yield END


def _chunks(ready: list[bytes]) -> list[bytes]:
    """Joins frames up to about `CHUNK_BYTES_MAX`; a single one stays the shared object it is."""
    chunks: list[list[bytes]] = []
    size = CHUNK_BYTES_MAX
    for piece in ready:
        if size + len(piece) > CHUNK_BYTES_MAX:
            chunks.append([])
            size = 0
        chunks[-1].append(piece)
        size += len(piece)
    return [pieces[0] if len(pieces) == 1 else b"".join(pieces) for pieces in chunks]
