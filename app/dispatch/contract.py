"""What goes into an agent and what may come out of it: one judgement for workers and for tests without one."""

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from app.dispatch.agent_reports import Emit, artifact_name
from app.dispatch.context import problems_of
from app.errors import Permanent
from app.model.agents import AgentSpec, StepInput, StepOutput
from app.model.events import PROGRESS_TYPES, ArtifactCompleted, EventData
from app.model.plan import Payload


@dataclass(frozen=True, slots=True)
class Returned:
    """What an agent returned, and the same encoded."""

    output: StepOutput
    encoded: bytes


def read_input(spec: AgentSpec, payload: Payload) -> StepInput:
    """The payload as the agent's own model; raises `Permanent` when it does not fit."""
    try:
        return spec.input_model.model_validate({"text": payload} if isinstance(payload, str) else payload)
    except ValidationError as error:
        raise Permanent(f"The payload does not fit: {problems_of(error)}", code="invalid_input") from error


def read_output(spec: AgentSpec, returned: object, bytes_max: int) -> Returned:
    """The output, if it is one that can be kept and read again; else raises `Permanent` with the reason."""
    if not isinstance(returned, StepOutput):
        kind = "nothing" if returned is None else type(returned).__name__
        raise Permanent(f"The agent {spec.name!r} returned {kind}, not StepOutput.", code="bad_output")
    if spec.output_model is not None:
        _fits(spec.output_model, returned.data)
    encoded = returned.model_dump_json().encode()
    if len(encoded) > bytes_max:
        raise Permanent(f"The result has {len(encoded)} bytes; at most {bytes_max} are kept.", code="result_too_large")
    _readable(encoded)
    return Returned(returned, encoded)


def only_reports(emit: Emit) -> Emit:
    """The same for events that an agent may write about its own step; others are an error of the agent."""

    async def checked(event: EventData) -> None:
        if event.type not in PROGRESS_TYPES:
            raise Permanent(f"An agent cannot write the event {event.type!r}.", code="not_a_report")
        await emit(event)

    return checked


def artifact(task_id: str, step_id: int, agent: str, output: StepOutput) -> ArtifactCompleted:
    """The event for the output's text."""
    encoded = (output.text or "").encode()
    return ArtifactCompleted(
        name=artifact_name(agent, step_id, output.media_type),
        media_type=output.media_type,
        bytes=len(encoded),
        sha256=hashlib.sha256(encoded).hexdigest(),
        href=f"/tasks/{task_id}/result",
    )


def _fits(model: type[BaseModel], data: object) -> None:
    try:
        model.model_validate(data)
    except ValidationError as error:
        raise Permanent(f"The data is no {model.__name__}: {problems_of(error)}", code="bad_output") from error


def _readable(encoded: bytes) -> None:
    """Members of a class of the agent's own, or lists in lists in lists, can be written and not be read again."""
    try:
        StepOutput.model_validate_json(encoded)
    except ValidationError as error:
        raise Permanent(f"The output could not be read again: {error}", code="bad_output") from error
