"""The JSON that clients get, apart from views of tasks and events, which have modules of their own."""

from typing import Any

from pydantic import BaseModel, Field, JsonValue

from app.model.output import TaskOutput
from app.model.plan import Plan, PlannerChoice, PlannerName, Step
from app.model.task import Concurrency, Document, StepStatus, TaskStatus, TaskView


class Links(BaseModel):
    """Where to go on from a task."""

    self: str
    stream: str
    result: str
    events: str
    metrics: str

    @classmethod
    def of(cls, task_id: str) -> "Links":
        task = f"/tasks/{task_id}"
        return cls(
            self=task, stream=f"/stream/{task_id}", result=f"{task}/result",
            events=f"{task}/events", metrics=f"/metrics/{task_id}",
        )  # fmt: skip


class Accepted(BaseModel):
    """A task that will reach a terminal state."""

    task_id: str
    status: TaskStatus
    plan: Plan
    links: Links


class Running(BaseModel):
    """A task whose result is not there yet."""

    task_id: str
    status: TaskStatus
    links: Links


class OutputBody(BaseModel):
    """What one of the last steps left behind."""

    step_id: int
    summary: str
    data: JsonValue
    text: str | None
    media_type: str


class ResultBody(BaseModel):
    """The outputs of the steps that nothing waited for."""

    task_id: str
    outputs: list[OutputBody]


class FinishedTask(TaskView):
    """A task that has ended and what it made, in one; without outputs when it came to no result."""

    outputs: list[OutputBody]
    links: Links


class EventsPage(BaseModel):
    """A page of the event log; `next` is the `after` of the following one."""

    task_id: str
    events: list[dict[str, Any]]
    next: str
    more: bool


class CallerBody(BaseModel):
    """Who a request comes from; one without a key has all scopes where it needs none."""

    name: str = Field(description="What events call the caller.")
    tenant: str
    scopes: list[str] = Field(description="What it may do: `submit`, `read`, `metrics`, `admin`.")


class RequestInputs(BaseModel):
    """What the task worked on."""

    documents: list[Document] = Field(description="Texts that came with the task.")
    collection: str | None
    urls: list[str]
    web: bool


class RequestBody(BaseModel):
    """
    The body that asks for the same once more: `POST /run-task` takes it as it is.

    Times are left out, for they were meant for then; a plan stands here where the client had sent one.
    """

    task: str
    plan: list[Step] | None
    planner: PlannerChoice | None
    inputs: RequestInputs
    output: TaskOutput
    priority: int
    labels: dict[str, str]
    concurrency: Concurrency | None


class TaskCounts(BaseModel):
    """
    How many tasks a tenant has, or how many of them match, by where they stand.

    Where `complete` is false there were too many to look at them all, and states have the numbers that were seen.
    """

    total: int = Field(description="All that are kept.")
    open: int = Field(description="Those that have not ended.")
    queued: int = Field(description="Those of which no step has begun.")
    running: int = Field(description="Those under way.")
    paused: int = Field(description="Those that start nothing until they are resumed.")
    cancelling: int = Field(description="Those that are about to end early.")
    completed: int = Field(description="Those that succeeded.")
    failed: int = Field(description="Those that failed.")
    cancelled: int = Field(description="Those that were ended early.")
    expired: int = Field(description="Those whose deadline passed.")
    complete: bool = Field(description="Whether all were counted.")


class AgentBody(BaseModel):
    """
    An agent, what it accepts and its limits.

    Agents of one `provider` pause together when it asks for patience; one that `gathers` is cut short when a
    task is told to finish. One that is not `asynchronous` takes a thread of its worker while it runs. `output_schema`
    is that of the `data` of its outputs, where the agent promises one.
    """

    name: str
    description: str
    module: str
    asynchronous: bool
    queue: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    timeout_ms: int
    max_attempts: int
    backoff_ms: int
    backoff_ms_max: int
    batch_size_max: int
    deferrals_max: int
    provider: str
    gathers: bool


class PlannedStep(Step):
    """A step of the plan, and how far it has come."""

    status: StepStatus
    attempts: int


class PlanBody(BaseModel):
    """The plan of a task as it stands; steps that were added to it are the last ones."""

    task_id: str
    planner: PlannerName
    steps: list[PlannedStep]
