"""The form in which a language model writes a plan: every field bounded, and judged before anybody runs it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from app.errors import InvalidRequest
from app.model.agents import AgentRegistry, AgentSpec
from app.model.plan import Intent, OnFailure
from app.planning.planner import RawStep

STEPS_MAX = 12
StepNo = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
Name = Annotated[str, Field(min_length=1, max_length=80)]

RETRIEVER, ANALYZER, WRITER = "retriever", "analyzer", "writer"
#: Without a step before them these have nothing to work on.
NEEDS_INPUT = frozenset({ANALYZER, WRITER})
#: Given to each agent whose input has a field of the name.
SHARED = ("intent", "subjects", "aspects")

Judge = Callable[[list[RawStep]], None]


class DraftStep(BaseModel):
    """One step as the model writes it."""

    model_config = ConfigDict(extra="forbid")

    step: StepNo
    agent: str
    instruction: Annotated[str, Field(min_length=3, max_length=300)]
    depends_on: Annotated[list[StepNo], Field(max_length=STEPS_MAX)]
    reason: Annotated[str, Field(max_length=120)]


class Draft(BaseModel):
    """A plan as the model writes it."""

    model_config = ConfigDict(extra="forbid")

    intent: Intent
    subjects: Annotated[list[Name], Field(max_length=6)]
    aspects: Annotated[list[Name], Field(max_length=6)]
    steps: Annotated[list[DraftStep], Field(min_length=1, max_length=STEPS_MAX)]


def plannable(registry: AgentRegistry) -> list[AgentSpec]:
    """The agents that can be told in words what to do; others need an input that only a client knows."""
    found = []
    for spec in sorted(registry, key=lambda spec: spec.name):
        fields = spec.input_model.model_fields
        if all(name == "text" or not field.is_required() for name, field in fields.items()):
            found.append(spec)
    return found


def draft_form(registry: AgentRegistry, judge: Judge) -> type[Draft]:
    """
    The form for a plan with the agents of this installation.

    A draft that fits is valid: `judge` is shown its steps and raises `InvalidRequest` for what the form cannot say.
    """
    names = [spec.name for spec in plannable(registry)]
    agent = Annotated[str, Field(max_length=40, json_schema_extra={"enum": names})]
    step: type[DraftStep] = create_model("Step", __base__=DraftStep, agent=(agent, ...))

    def judged(draft: Draft) -> Draft:
        wrong = _order_problems(draft.steps, set(names))
        if not wrong:
            try:
                judge(raw_steps(draft, registry))
            except InvalidRequest as error:
                wrong = [f"{problem.pointer}: {problem.detail}" for problem in error.problems]
        if wrong:
            raise ValueError("; ".join(wrong))
        return draft

    validators: dict[str, Any] = {"judged": model_validator(mode="after")(judged)}
    return create_model(
        "Plan",
        __base__=Draft,
        __validators__=validators,
        steps=(Annotated[list[step], Field(min_length=1, max_length=STEPS_MAX)], ...),
    )


def raw_steps(draft: Draft, registry: AgentRegistry) -> list[RawStep]:
    """
    The draft as a client would write it; what the whole plan is about goes to each agent that asks for it.

    As in the plans of the rules, one of several parts may fail without the others.
    """
    shared = {"intent": draft.intent.value, "subjects": draft.subjects, "aspects": draft.aspects}
    parts = _parts({step.step: step.depends_on for step in draft.steps})
    return [
        {
            "step_id": step.step,
            "agent": step.agent,
            "payload": {"text": step.instruction} | _asked_for(registry[step.agent], shared),
            "depends_on": list(dict.fromkeys(step.depends_on)),
            "reason": step.reason,
            "on_failure": (OnFailure.CONTINUE if step.step in parts else OnFailure.FAIL).value,
        }
        for step in draft.steps
    ]


def _parts(depends_on: Mapping[int, Sequence[int]]) -> set[int]:
    """The steps above one that brings several together."""
    found = {parent for parents in depends_on.values() if len(set(parents)) > 1 for parent in parents}
    front = list(found)
    while front:
        above = set(depends_on.get(front.pop(), ())) - found
        found |= above
        front += above
    return found


def _asked_for(spec: AgentSpec, shared: dict[str, Any]) -> dict[str, Any]:
    return {name: shared[name] for name in SHARED if shared[name] and name in spec.input_model.model_fields}


def _order_problems(steps: Sequence[DraftStep], known: set[str]) -> list[str]:
    """What a reader would object to although it could be run."""
    wrong: list[str] = []
    said: set[tuple[str, str]] = set()
    needed = {parent for step in steps for parent in step.depends_on}
    for number, step in enumerate(steps, start=1):
        where = f"step {number}"
        if step.step != number:
            wrong.append(f"{where}: number the steps 1, 2, 3 … in their order")
        if step.agent not in known:
            wrong.append(f"{where}: there is no such agent")
        if any(parent >= step.step for parent in step.depends_on):
            wrong.append(f"{where}: may depend on earlier steps only")
        if step.agent in NEEDS_INPUT and not step.depends_on:
            wrong.append(f"{where}: the {step.agent} works on what earlier steps found; name them")
        if (step.agent, step.instruction.casefold()) in said:
            wrong.append(f"{where}: says the same as an earlier step")
        if number < len(steps) and step.step not in needed:
            wrong.append(f"{where}: nothing depends on it")
        said.add((step.agent, step.instruction.casefold()))
    if WRITER in known and steps[-1].agent != WRITER:
        wrong.append("the last step has to be the writer's")
    return wrong
