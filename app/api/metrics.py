"""Figures: of one task, and of the process for Prometheus."""

from fastapi import APIRouter, Response

from app.api.deps import Metrics, Reader, Scraper, Services, TaskId, gone
from app.api.problems import documented
from app.metrics.figures import TaskMetrics
from app.metrics.prometheus.process import CONTENT_TYPE
from app.metrics.task_metrics import Fold

router = APIRouter(tags=["metrics"])


@router.get("/metrics/{task_id}", responses=documented(404, 410, 503))
async def task_metrics(_: Reader, task_id: TaskId, services: Services) -> TaskMetrics:
    """What the task took, folded from its event log at the time of asking."""
    figures = Fold()
    async for page in services.log.pages(task_id):
        for event in page:
            figures.add(event)
    if not figures.count:
        raise gone(task_id, services)
    return figures.result()


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text format",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "stepstream_viewers 3.0\n"}},
        }
    },
)
async def metrics(_: Scraper, services: Services, metrics: Metrics) -> Response:
    """What Prometheus scrapes: this process, and the queues in Redis."""
    return Response(metrics.render(services.hub.counters, await services.truth.read()), media_type=CONTENT_TYPE)
