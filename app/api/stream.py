"""Events as a stream, of one task or of several: replay from where the client was, then live, to the end."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app.api.accept import EVENT_STREAM, NDJSON, Accept, negotiated
from app.api.deps import Reader, Services, StreamPlace, TaskId, gone, prove_owned, refuse_while_draining, take_places
from app.api.event_stream import LINES, SSE, EventStream, Form, Pace
from app.api.problems import documented
from app.api.type_filter import TypeFilter, Types
from app.bootstrap.api import ApiServices
from app.events.log import Cursor
from app.events.several import Several, cursors_of
from app.events.sse import Piece, Source
from app.events.topic import Bell
from app.events.viewer import Viewer

TASKS_MAX = 100

router = APIRouter(tags=["events"])

LastEventId = Annotated[str | None, Header(description="Position; wins over `after`.")]
After = Annotated[str | None, Query(description="Position: a number or an event id.")]
Follow = Annotated[bool, Query(description="Without it the stream ends when all that there is has been sent.")]
TaskIds = Annotated[
    list[str], Query(min_length=1, max_length=TASKS_MAX, description="Ids of tasks; the parameter is repeated.")
]


async def _stream_places(request: Request, services: Services, task_id: TaskIds) -> None:
    """One for each task: so much do they take of what all keys share."""
    await take_places(request, services, len(set(task_id)))


PlacePerTask = Annotated[None, Depends(_stream_places)]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a client would like of a stream."""

    accept: str
    position: str | None
    types: str | None
    follow: bool


async def _wishes(
    accept: Accept,
    last_event_id: LastEventId = None,
    after: After = None,
    types: Types = None,
    follow: Follow = True,
) -> Wishes:
    return Wishes(accept, after if last_event_id is None else last_event_id, types, follow)


StreamWishes = Annotated[Wishes, Depends(_wishes)]
_EVENT = {"$ref": "#/components/schemas/Event"}
_DATA = {"anyOf": [_EVENT, {"type": "object", "maxProperties": 0, "description": "Of control frames."}]}
#: `itemSchema` is OpenAPI 3.2, which FastAPI writes as well.
STREAMS = {
    EVENT_STREAM: {
        "itemSchema": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "event": {"type": "string"},
                "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": _DATA},
                "retry": {"type": "integer"},
            },
        },
        "example": 'id: 42-51873\nevent: step.completed\ndata: {"v":1,"seq":42}\n\n',
    },
    NDJSON: {"schema": {"type": "string"}, "itemSchema": _EVENT, "example": '{"v":1,"seq":42}\n'},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Frames with `id`, `event` and `data`, one per event; `stream.end` says that nothing follows, "
        "`stream.reset` that all events so far are void and a full replay follows.",
        "content": STREAMS,
    },
    204: {"description": "The client has all of it, and nothing follows: do not come back"},
}

LAST_SEQ = {"Last-Seq": {"schema": {"type": "integer"}, "description": "The log's last event as it opened."}}
OF_ONE = {**RESPONSES, 200: {**RESPONSES[200], "headers": LAST_SEQ}}


@router.get("/stream/{task_id}", response_class=Response, responses={**OF_ONE, **documented(400, 404, 410, 422, 503)})
async def stream_task(
    _: Reader, __: StreamPlace, task_id: TaskId, services: Services, wishes: StreamWishes
) -> Response:
    """Every event of the task behind the position, each exactly once and in order, until its last one."""
    refuse_while_draining(services)
    viewer = services.hub.watch(task_id, Cursor.parse(wishes.position), follow=wishes.follow)
    with ExitStack() as undo:
        undo.callback(viewer.close)
        if not await viewer.begin():
            raise gone(task_id, services)
        last_seq = await viewer.last_seq()
        undo.pop_all()
    answer = opened(viewer, services, TypeFilter(wishes.types), form_of(wishes.accept))
    answer.headers["Last-Seq"] = str(last_seq)
    return answer


@router.get("/stream", response_class=Response, responses={**RESPONSES, **documented(400, 404, 410, 422, 503)})
async def stream_tasks(
    caller: Reader, _: PlacePerTask, task_id: TaskIds, services: Services, wishes: StreamWishes
) -> Response:
    """
    The events of several tasks, those of each exactly once and in order, until all of them have ended.

    An id names the position in all of these logs: `<task>:<seq>-<rand>`, joined by dots. It holds for another choice of
    tasks as well: a task that it does not name is read from the start.
    """
    refuse_while_draining(services)
    await prove_owned(task_id, caller, services)
    cursors, bell = cursors_of(wishes.position, task_id), Bell()
    with ExitStack() as undo:
        viewers: dict[str, Viewer] = {}
        for name, cursor in cursors.items():
            viewers[name] = services.hub.watch(name, cursor, follow=wishes.follow, bell=bell)
            undo.callback(viewers[name].close)
        several = Several(viewers, bell)
        if missing := await several.begin():
            raise gone(missing[0], services)
        undo.pop_all()
    return opened(several, services, TypeFilter(wishes.types), form_of(wishes.accept))


ALL = TypeFilter(None)


def form_of(accept: str) -> Form:
    """Server-sent events, unless lines of JSON are liked better."""
    return LINES if negotiated(accept, (EVENT_STREAM, NDJSON)) == NDJSON else SSE


def opened(source: Source, services: ApiServices, wanted: Callable[[Piece], bool] = ALL, form: Form = SSE) -> Response:
    """The open stream; 204 when nothing is left to send."""
    if source.complete:
        source.close()
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    settings = services.settings
    pace = Pace(settings.heartbeat_s, settings.send_s_max, settings.stream_s_max)
    return EventStream(source, form, wanted, pace, services.draining)
