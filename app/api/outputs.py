"""What a single step left behind: what was found, what was made of it."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.deps import Reader, Services, TaskId
from app.api.problems import OutputNotFound, documented
from app.model.answers import OutputBody
from app.model.plan import STEP_ID_MAX

router = APIRouter(tags=["tasks"])

StepNumber = Annotated[int, Path(ge=1, le=STEP_ID_MAX, description="Id of a step in the plan.")]


@router.get("/tasks/{task_id}/steps/{step_id}/output", responses=documented(404, 410, 422, 503))
async def step_output(_: Reader, task_id: TaskId, step_id: StepNumber, services: Services) -> OutputBody:
    """What a step of the task left behind, as soon as it has succeeded, whatever becomes of the task."""
    found = (await services.reader.results(task_id, [step_id])).get(step_id)
    if found is None:
        raise OutputNotFound(f"Step {step_id} is not in the plan, or has left no output so far.")
    return OutputBody(
        step_id=step_id, summary=found.summary, data=found.data, text=found.text, media_type=found.media_type
    )
