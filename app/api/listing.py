"""Lists of tasks, and the plan of one with the state of each step."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, PlainValidator

from app.api.deps import Reader, Services, TaskId, kept
from app.api.problems import documented
from app.api.schemas import LABELS_MAX
from app.dispatch.listing import LIMIT_MAX, TaskFilter, parse_label
from app.model.answers import PlanBody, PlannedStep, TaskCounts
from app.model.task import TASK_ID_PATTERN, ListStatus, TaskPage
from app.model.times import parse_time

WORDS_CHARS_MAX = 200
TASK_ID = f"^{TASK_ID_PATTERN.pattern}$"

router = APIRouter(tags=["tasks"])


def _is_label(text: str) -> str:
    parse_label(text)
    return text


Labels = Annotated[
    list[Annotated[str, AfterValidator(_is_label)]],
    Query(max_length=LABELS_MAX, description="Only tasks with this label, `name:value`; may be repeated."),
]


Words = Annotated[str, Query(max_length=WORDS_CHARS_MAX, description="Words that are all in the task's text.")]
Instant = Annotated[int | None, PlainValidator(parse_time, json_schema_input_type=str)]
CreatedAfter = Annotated[
    Instant, Query(description="Only tasks of this time or later (RFC 3339; `+` is written `%2B`).")
]


@router.get("/tasks", responses=documented(400, 422, 503))
async def tasks(  # FastAPI passes all of them by name
    caller: Reader,
    services: Services,
    status: Annotated[ListStatus | None, Query(description="Only tasks in this state, `open` or `ended` ones.")] = None,
    label: Labels = [],  # noqa: B006  # FastAPI copies it
    q: Words = "",
    created_after: CreatedAfter = None,
    cursor: Annotated[
        str | None, Query(description="The `next` of the page before.", json_schema_extra={"pattern": TASK_ID})
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most tasks on the page.")] = 20,
) -> TaskPage:
    """
    Tasks, newest first.

    The page ends the list when `next` is null; a page may hold fewer than `limit` tasks and still have a `next`.
    """
    wanted = TaskFilter(status, tuple(parse_label(text) for text in label), q, created_after)
    return await services.tasks.page(caller.tenant, wanted, cursor=cursor, limit=limit)


@router.get("/tasks/counts", responses=documented(422, 503))
async def task_counts(
    caller: Reader,
    services: Services,
    label: Labels = [],  # noqa: B006  # FastAPI copies it
    q: Words = "",
    created_after: CreatedAfter = None,
) -> TaskCounts:
    """
    How many tasks there are, or how many of them match, by where they stand.

    Of more than 500 tasks the answer may be a second old, or older where counting takes longer.
    """
    wanted = TaskFilter(None, tuple(parse_label(text) for text in label), q, created_after)
    return await services.counter.counts(caller.tenant, wanted)


@router.get("/tasks/{task_id}/plan", responses=documented(404, 410, 503))
async def plan_of_task(_: Reader, task_id: TaskId, services: Services) -> PlanBody:
    """The plan as it stands, with the state of each step."""
    with kept(services):
        plan = await services.reader.plan(task_id)
        view = await services.reader.view(task_id)
    states = {step.step_id: step for step in view.steps}
    return PlanBody(
        task_id=task_id,
        planner=plan.planner,
        steps=[
            PlannedStep(**dict(step), status=states[step.step_id].status, attempts=states[step.step_id].attempts)
            for step in plan.steps
        ],
    )
