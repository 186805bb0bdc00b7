"""The JSON of a submission; what clients get is in app/model/answers.py."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.api.terms import ConcurrencyBody, MomentText
from app.api.text import IN_ONE_LINE, PRINTABLE, LabelName, LabelText, PlanJson, Text
from app.model.output import TaskOutput
from app.model.plan import PlannerChoice
from app.web.urls import URL_CHARS_MAX

LABELS_MAX = 32
#: Whatever a server is configured with.
URLS_MAX = 100

WebAddress = Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX), *IN_ONE_LINE]


class StrictBody(BaseModel):
    """A body without members that nobody knows."""

    model_config = ConfigDict(extra="forbid")


class DocumentBody(StrictBody):
    """A text to work on; `name` is what citations call it."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200), *IN_ONE_LINE]
    text: Text


class InputsBody(StrictBody):
    """What the task works on."""

    # Frozen, so that the default is not copied for each request.
    model_config = ConfigDict(frozen=True)

    documents: tuple[DocumentBody, ...] = Field(default=(), description="Texts that come with the task.")
    collection: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Name of a folder that this server is configured with."
    )
    urls: tuple[WebAddress, ...] = Field(
        default=(), max_length=URLS_MAX, description="Public pages to read: http or https."
    )
    web: Annotated[bool, Field(strict=True)] = Field(
        False, description="Whether to search the web as well; the server needs a search server for that."
    )


class RunTask(StrictBody):
    """A task to run."""

    model_config = ConfigDict(
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
                    "output": {"format": "html"},
                    "labels": {"team": "research"},
                    "deadline": "PT10M",
                    "not_before": "2026-05-01T12:00:00Z",
                    "concurrency": {"key": "team", "limit": 4},
                },
            ]
        },
    )

    task: Annotated[str, Field(min_length=1, description="The goal, in words."), *PRINTABLE]
    plan: PlanJson = Field(None, description="Steps to run instead of a planner's; see the schema `Step`.")
    planner: PlannerChoice | None = Field(
        None, description="Who plans: the server's rules, or its language model. Unset: as the server is configured."
    )
    inputs: InputsBody = InputsBody()
    output: TaskOutput = TaskOutput()
    priority: Annotated[int, Field(strict=True, ge=0, le=9)] = Field(5, description="0 runs first, 9 last.")
    labels: Annotated[dict[LabelName, LabelText], Field(max_length=LABELS_MAX)] = {}
    deadline: MomentText | None = Field(None, description="When the task expires if it has not ended.")
    not_before: MomentText | None = Field(None, description="Until when no step is sent to a queue.")
    concurrency: ConcurrencyBody | None = Field(None, description="A limit shared by tasks with the same label.")
