"""Figures: of one task, and of the process for Prometheus."""

from fastapi import APIRouter, Response

from app.api.deps import Admin, Metrics, Reader, Services, TaskId, gone
from app.api.problems import documented
from app.bootstrap.api import ApiServices
from app.errors import Unavailable
from app.metrics.figures import TaskMetrics
from app.metrics.prometheus import CONTENT_TYPE, RedisTruth
from app.metrics.task_metrics import Fold
from app.redis_async import translated

router = APIRouter(tags=["metrics"])

LLM_COUNTERS = ["calls", "input_tokens", "output_tokens", "nano_usd"]


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
async def metrics(_: Admin, services: Services, metrics: Metrics) -> Response:
    """What Prometheus scrapes: this process, and the queues in Redis."""
    return Response(metrics.render(services.hub.counters, await _truth(services)), media_type=CONTENT_TYPE)


async def _truth(services: ApiServices) -> RedisTruth | None:
    try:
        with translated():
            open_tasks = await services.redis.zcard(services.keys.open)
            repaired = int(await services.redis.hget(services.keys.audit, "repaired") or 0)
            llm = await services.redis.hmget(services.keys.llm, LLM_COUNTERS)
            memory = await services.redis.info("memory")
            return RedisTruth(
                open_tasks=open_tasks,
                repaired=repaired,
                queues=await services.fleet.queues(),
                llm={name: int(value or 0) for name, value in zip(LLM_COUNTERS, llm, strict=True)},
                memory_bytes=int(memory["used_memory"]),
                memory_bytes_max=int(memory.get("maxmemory", 0)),
                firehose_entries=await services.redis.xlen(services.keys.fire),
            )
    except Unavailable:
        return None
