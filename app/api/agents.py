"""The agents that plans may name."""

from fastapi import APIRouter

from app.api.deps import Reader, Services
from app.model.answers import AgentBody

router = APIRouter(tags=["agents"])


@router.get("/agents")
async def agents(_: Reader, services: Services) -> list[AgentBody]:
    """The agents that plans may name."""
    return [
        AgentBody(
            name=spec.name,
            description=spec.description,
            module=spec.module,
            asynchronous=spec.asynchronous,
            queue=spec.queue,
            input_schema=spec.input_model.model_json_schema(),
            output_schema=spec.output_model.model_json_schema() if spec.output_model else None,
            timeout_ms=spec.timeout_ms,
            max_attempts=spec.max_attempts,
            backoff_ms=spec.backoff_ms,
            backoff_ms_max=spec.backoff_ms_max,
            batch_size_max=spec.batch_size_max,
            deferrals_max=spec.deferrals_max,
            provider=spec.provider,
            gathers=spec.gathers,
        )
        for spec in sorted(services.registry, key=lambda spec: spec.name)
    ]
