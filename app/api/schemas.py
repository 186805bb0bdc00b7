"""The JSON that clients send and get."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from app.model.plan import Plan
from app.model.task import TaskStatus

LABELS_MAX = 32
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f]")


def _no_control_characters(text: str) -> str:
    if found := FORBIDDEN.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X} at position {found.start()}")
    return text


def _one_line(text: str) -> str:
    if found := FORBIDDEN_IN_NAME.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X} at position {found.start()}")
    return text


def _printable(value: JsonValue) -> JsonValue:
    """Every text inside a plan reaches an agent, so the same holds for it."""
    if isinstance(value, str):
        _no_control_characters(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            _no_control_characters(name)
            _printable(member)
    elif isinstance(value, list):
        for member in value:
            _printable(member)
    return value


Text = Annotated[str, AfterValidator(_no_control_characters)]
LabelName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_one_line)]
LabelText = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DocumentBody(_Body):
    """A text to work on; `name` is what citations call it."""

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
    text: Text


class InputsBody(_Body):
    """What the task works on."""

    documents: list[DocumentBody] = Field(default=[], description="Texts that come with the task.")
    collection: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Name of a folder that this server is configured with."
    )


class RunTask(_Body):
    """A task to run."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"task": "Compare solar and wind power", "inputs": {"collection": "papers"}},
                {
                    "task": "Report on AI agents",
                    "plan": [
                        {"step_id": 1, "agent": "retriever", "payload": "Research AI agents"},
                        {"step_id": 2, "agent": "analyzer", "payload": "Analyze challenges"},
                        {"step_id": 3, "agent": "writer", "payload": "Write summary"},
                    ],
                    "inputs": {"documents": [{"name": "agents.md", "text": "# Agents\n\nAn agent acts for someone."}]},
                    "labels": {"team": "research"},
                },
            ]
        },
    )

    task: Annotated[Text, Field(min_length=1, description="The goal, in words.")]
    plan: Annotated[JsonValue, AfterValidator(_printable)] = Field(
        None, description="Steps to run instead of a planner's; see the schema `Step`."
    )
    inputs: InputsBody = InputsBody()
    priority: Annotated[int, Field(strict=True, ge=0, le=9)] = Field(5, description="0 runs first, 9 last.")
    labels: Annotated[dict[LabelName, LabelText], Field(max_length=LABELS_MAX)] = {}


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


class ResultBody(BaseModel):
    """The outputs of the steps that nothing waited for."""

    task_id: str
    outputs: list[OutputBody]


class EventsPage(BaseModel):
    """A page of the event log; `next` is the `after` of the following one."""

    task_id: str
    events: list[dict[str, Any]]
    next: str
    more: bool


class AgentBody(BaseModel):
    """An agent, what it accepts and its limits."""

    name: str
    description: str
    queue: str
    input_schema: dict[str, Any]
    timeout_ms: int
    max_attempts: int
    batch_size_max: int
