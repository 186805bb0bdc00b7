"""A task's events page by page, for those who would rather ask than listen."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response

from app.api.accept import JSON, NDJSON, Accept, negotiated
from app.api.deps import Reader, Services, TaskId, gone
from app.api.problems import documented
from app.api.stream import STREAMS
from app.events.log import CURSOR_PATTERN, PAGE_MAX, Cursor, StoredEvent
from app.model.answers import EventsPage

After = Annotated[
    str | None,
    Query(
        description="Position: a number or an event id.",
        json_schema_extra={"pattern": f"^({CURSOR_PATTERN.pattern})?$"},
    ),
]

router = APIRouter(tags=["events"])

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of the log",
        "content": {NDJSON: STREAMS[NDJSON]},
        "headers": {"Link": {"schema": {"type": "string"}, "description": "`rel=next`: the page behind this one."}},
    },
}


@router.get(
    "/tasks/{task_id}/events",
    response_model=EventsPage,
    responses={**RESPONSES, **documented(400, 404, 410, 422, 503)},
)
async def events(
    _: Reader,
    task_id: TaskId,
    services: Services,
    accept: Accept,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="Most events on the page.")] = 100,
) -> Response:
    """A page of the event log, oldest first: JSON, or with `Accept: application/x-ndjson` one event per line."""
    cursor = Cursor.parse(after)
    if await services.log.last(task_id) is None:
        raise gone(task_id, services)
    found = await services.log.read(task_id, cursor, limit)
    more = len(found) == limit
    headers = {"Vary": "Accept"}
    if more:
        headers["Link"] = f'</tasks/{task_id}/events?after={found[-1].id}&limit={limit}>; rel="next"'
    if negotiated(accept, (JSON, NDJSON)) == NDJSON:
        return Response(b"".join(event.line for event in found), media_type=NDJSON, headers=headers)
    return Response(_page(task_id, found, after, more=more), media_type=JSON, headers=headers)


def _page(task_id: str, found: list[StoredEvent], after: str | None, *, more: bool) -> bytes:
    page = {
        "task_id": task_id,
        "events": [orjson.Fragment(event.body) for event in found],
        "next": found[-1].id if found else after or "0",
        "more": more,
    }
    return orjson.dumps(page)
