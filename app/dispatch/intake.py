"""What a task brings along when it is taken in, as the arguments of the scripts submit and fork."""

from collections.abc import Collection
from dataclasses import dataclass

from app.dispatch.attempt import json_text
from app.dispatch.record import indexes, record, step_members
from app.dispatch.scripts import Argument
from app.dispatch.usage import taken
from app.keys import Keys
from app.model.agents import AgentRegistry
from app.model.events import EventData
from app.model.task import NewTask


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The key a client sent, and the hash of what it sent with it."""

    key_sha256: str
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Planning:
    """How a plan came about: what there is to tell of it, and how long it took."""

    events: tuple[EventData, ...] = ()
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Intake:
    """
    A task to be taken in.

    `documents` are kept under their hash; a fork leaves them out, for its source has brought them. `planned` is how
    its plan came about. `reused` are the steps whose results come from the task `source`, `grown` the entries of its
    field of that name whose added steps are in the new plan.
    """

    task: NewTask
    documents: bytes = b""
    idempotency: Idempotency | None = None
    source: str = ""
    reused: Collection[int] = ()
    grown: Collection[str] = ()
    planned: Planning = Planning()


def intake_args(
    intake: Intake, registry: AgentRegistry, keys: Keys, *, retention_ms: int, idempotency_ttl_ms: int
) -> list[Argument]:
    """The arguments from the queue names on; see `lua/_accept.lua`."""
    task, idempotency = intake.task, intake.idempotency
    queues = sorted({registry[step.agent].queue for step in task.plan.steps})
    reused = set(intake.reused)
    roots = [s.step_id for s in task.plan.steps if s.step_id not in reused and reused.issuperset(s.depends_on)]
    documents = task.inputs.documents_sha256
    return [
        " ".join(queues),
        keys.idempotency(task.tenant, idempotency.key_sha256) if idempotency else "",
        idempotency.body_sha256 if idempotency else "",
        idempotency_ttl_ms,
        _submitted(intake),
        _created(task, intake.planned),
        " ".join(map(str, roots)),
        str(task.not_before or ""),
        str(task.deadline or ""),
        keys.documents(documents) if documents else "",
        intake.documents,
        "\n".join(indexes(task)),
        intake.source,
        " ".join(map(str, sorted(reused))),
        "\n".join(f"{event.type} {event.model_dump_json()}" for event in intake.planned.events),
        *taken(intake.planned.events),
        *record(task, registry, keys, retention_ms, reused, intake.grown),
    ]


def _submitted(intake: Intake) -> str:
    """The members of `task.submitted` but those that only the server's clock knows."""
    task, limit = intake.task, intake.task.concurrency
    return json_text(
        {
            "task": task.task,
            "priority": task.priority,
            "labels": task.labels,
            "concurrency": {"key": limit.key, "limit": limit.limit} if limit else None,
            "idempotency_sha256": intake.idempotency.key_sha256 if intake.idempotency else None,
            "parent_task_id": task.parent_task_id,
        }
    )[1:-1]


def _created(task: NewTask, planned: Planning) -> str:
    return json_text(
        {
            "steps": [step_members(step) for step in task.plan.steps],
            "rev": 1,
            "planner": task.plan.planner,
            "estimate": {"steps": len(task.plan.steps)},
            "planning_ms": planned.ms,
        }
    )
