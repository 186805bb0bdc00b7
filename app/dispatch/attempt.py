"""One attempt of a step: what the worker that starts it is given, and the fence it acts under."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import StepstreamError
from app.model.output import TaskOutput
from app.model.plan import Step
from app.model.stored import from_json
from app.model.task import TaskInputs


class Fenced(StepstreamError):
    """The attempt is no longer the current one; whatever it still does has no effect."""


@dataclass(frozen=True, slots=True)
class StepRef:
    """A step of a task as its queue entry names it; an older dispatch number is no longer wanted."""

    task_id: str
    step_id: int
    dispatch_no: int

    @classmethod
    def parse_batch(cls, task_id: str, spec: str) -> "list[StepRef]":
        """Reads the entry's `"<step>:<dispatch number> …"`; raises `ValueError` for anything else."""
        pairs = (part.split(":") for part in spec.split(" "))
        return [cls(task_id, int(step_id), int(dispatch_no)) for step_id, dispatch_no in pairs]


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    A started attempt. `token` is the fence: the scripts act for it only while it is the step's.

    `run` counts the times the step was asked to run again by a person; `children`, `next_step_id` and
    `steps_total` say where the plan can grow; `waited_ms` is the time from queued to started, `deadline_ms` the time
    left until the task's own deadline.
    """

    ref: StepRef
    number: int
    token: str
    failures: int
    run: int
    children: tuple[int, ...]
    next_step_id: int
    steps_total: int
    waited_ms: int
    deadline_ms: int | None
    #: Without what it waits for: that may have grown, and stands beside it.
    step: Step
    depends_on: tuple[int, ...]
    task: str
    inputs: TaskInputs
    output: TaskOutput
    #: Stored outputs of the dependencies, in their order; `None` when they have to be asked for.
    results: tuple[bytes | None, ...] | None

    @classmethod
    def from_reply(cls, task_id: str, reply: Sequence[Any]) -> "Attempt":
        """Reads the reply with which a step runs, see `_hand.lua`; raises `ValidationError` for what nobody can run."""
        (
            _,
            step_id,
            dispatch_no,
            number,
            token,
            failures,
            run,
            deps,
            children,
            next_step_id,
            steps_total,
            waited_ms,
            deadline,
            *content,
            results,
        ) = reply
        step, task, inputs, output = content
        depends_on = _ids(deps)
        return cls(
            ref=StepRef(task_id, int(step_id), int(dispatch_no)),
            number=int(number),
            token=_text(token),
            failures=int(failures),
            run=int(run),
            children=tuple(_ids(children)),
            next_step_id=int(next_step_id),
            steps_total=int(steps_total),
            waited_ms=int(waited_ms),
            deadline_ms=None if deadline == b"" else int(deadline),
            step=from_json(Step, step),
            depends_on=tuple(depends_on),
            task=_text(task),
            inputs=from_json(TaskInputs, inputs),
            output=from_json(TaskOutput, output) if output else TaskOutput(),
            results=tuple(results) if len(results) == len(depends_on) else None,
        )


def _ids(text: bytes | str) -> list[int]:
    return [int(part) for part in _text(text).split(",") if part]


def json_text(value: object) -> str:
    """`value` as one line of JSON text."""
    return orjson.dumps(value).decode()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
