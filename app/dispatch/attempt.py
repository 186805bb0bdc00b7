"""One attempt of a step: what the worker that starts it is given, and the fence it acts under."""

from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import StepstreamError
from app.model.plan import Step
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
    """A started attempt. `token` is the fence: the scripts act for it only while it is the step's."""

    ref: StepRef
    number: int
    token: str
    failures: int
    step: Step
    task: str
    inputs: TaskInputs

    @classmethod
    def from_reply(cls, ref: StepRef, reply: list[Any]) -> "Attempt":
        """Reads what `start.lua` returns behind `run`."""
        number, token, failures, step, task, inputs = reply
        return cls(
            ref=ref,
            number=int(number),
            token=_text(token),
            failures=int(failures),
            step=Step.model_validate_json(step),
            task=_text(task),
            inputs=TaskInputs.model_validate_json(inputs),
        )


def json_text(value: object) -> str:
    """`value` as one line of JSON text."""
    return orjson.dumps(value).decode()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
