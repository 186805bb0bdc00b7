"""Everything that happens, as it happens: the events of all tasks and of the workers."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.deps import Admin, Services, StreamPlace, refuse_while_draining
from app.api.listing import Labels
from app.api.problems import documented
from app.api.stream import RESPONSES, StreamWishes, form_of, opened
from app.api.type_filter import TypeFilter
from app.dispatch.listing import parse_label
from app.events.fire_log import OLDEST, FireEvent, Spot
from app.events.sse import Piece

router = APIRouter(tags=["events"])

Tenant = Annotated[str | None, Query(max_length=200, description="Only what happens to tasks of this tenant.")]


@router.get("/events", response_class=Response, responses={**RESPONSES, **documented(400, 422, 503)})
async def firehose(
    _: Admin,
    __: StreamPlace,
    services: Services,
    wishes: StreamWishes,
    tenant: Tenant = None,
    label: Labels = [],  # noqa: B006  # FastAPI copies it
) -> Response:
    """
    The events of all tasks of all tenants, and of the workers: from now on, or from a position.

    Pieces of text alone are left out. An id is a position; a time in milliseconds is one too, and 0, or nothing where
    `follow=false`, is the oldest that is kept. `stream.gap` says that what followed the position is no longer kept.
    """
    refuse_while_draining(services)
    after = Spot.parse(wishes.position) if wishes.position else None
    if after is None and not wishes.follow:
        after = OLDEST
    viewer = await services.firehose.watch(after, follow=wishes.follow)
    wanted = FireFilter(TypeFilter(wishes.types), tenant, dict(map(parse_label, label)))
    return opened(viewer, services, wanted, form_of(wishes.accept))


class FireFilter:
    """What of the firehose a client asked for; a worker's events have no tenant and no label."""

    def __init__(self, types: TypeFilter, tenant: str | None, labels: dict[str, str]) -> None:
        self._types = types
        self._tenant = tenant
        self._labels = labels

    def __call__(self, piece: Piece) -> bool:
        return self._types(piece) and (not isinstance(piece, FireEvent) or self._owned(piece))

    def _owned(self, event: FireEvent) -> bool:
        if self._tenant is None and not self._labels:
            return True
        owner = event.owner
        if owner is None or self._tenant not in (None, owner.tenant):
            return False
        return all(owner.labels.get(name) == value for name, value in self._labels.items())
