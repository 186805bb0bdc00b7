"""Runs whole tasks in this process: the rule planner's plan, the real agents, the steps they add; without a queue."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import actors.analyzer
import actors.retriever
import actors.writer  # noqa: F401  # importing registers the agents
from app.dispatch import growth
from app.dispatch.context import StepContext
from app.model.agents import StepOutput, registry
from app.model.events import EventData
from app.model.plan import Plan, Step
from app.model.task import Document
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits, validate_plan

LIMITS = PlanLimits(steps_max=100, payload_bytes_max=1 << 20)
GROWTH = growth.GrowthLimits(added_max=20, steps_max=100, payload_bytes_max=1 << 20)

#: Sees and may change what a step left before the next ones read it.
Meddler = Callable[[Step, StepOutput], StepOutput]


@dataclass
class TaskRun:
    """A task that was run: its plan as it grew, what each step left, what was told."""

    task: str
    plan: Plan
    outputs: dict[int, StepOutput] = field(default_factory=dict)
    events: list[EventData] = field(default_factory=list)

    @property
    def report(self) -> StepOutput:
        """What the last step of the plan left."""
        return self.outputs[self.plan.sinks()[-1]]

    def left_by(self, agent: str) -> list[dict[str, Any]]:
        """The data of the agent's steps, in the plan's order."""
        found = [self.outputs[step.step_id].data for step in self.plan.steps if step.agent == agent]
        return [data for data in found if isinstance(data, dict)]


def plan_for(task: str) -> Plan:
    return validate_plan(RulePlanner().plan(task), registry=registry, limits=LIMITS, planner="rules")


def run_task(task: str, documents: list[Document], cache_dir: Path, meddler: Meddler | None = None) -> TaskRun:
    """The task from planning to report."""
    return asyncio.run(_run(TaskRun(task, plan_for(task)), documents, cache_dir, meddler))


async def _run(run: TaskRun, documents: list[Document], cache_dir: Path, meddler: Meddler | None) -> TaskRun:
    async def emit(event: EventData) -> None:
        run.events.append(event)

    async def load() -> list[Document]:
        return documents

    while step := _ready(run):
        context = StepContext(
            task_id="0-quality", task=run.task, step_id=step.step_id, agent=step.agent, attempt=1, run=0,
            inputs={at: run.outputs[at] for at in step.depends_on}, depends_on=step.depends_on, emit=emit,
            documents=load, cache_dir=cache_dir,
        )  # fmt: skip
        output = await _call(step, context)
        run.outputs[step.step_id] = meddler(step, output) if meddler else output
        if output.steps:
            run.plan = _grown(run.plan, step, output)
    return run


def _ready(run: TaskRun) -> Step | None:
    waiting = (step for step in run.plan.steps if step.step_id not in run.outputs)
    return next((step for step in waiting if all(at in run.outputs for at in step.depends_on)), None)


async def _call(step: Step, context: StepContext) -> StepOutput:
    spec = registry[step.agent]
    agent: Callable[[Any, Any], Awaitable[StepOutput]] = spec.run  # type: ignore[assignment]
    fields = step.payload if isinstance(step.payload, dict) else {"text": step.payload}
    return await agent(spec.input_model(**fields), context)


def _grown(plan: Plan, parent: Step, output: StepOutput) -> Plan:
    """With the steps that this one added between itself and what waits for it, as `complete.lua` does."""
    added = growth.check(output.steps, registry, GROWTH)
    next_id = max(step.step_id for step in plan.steps) + 1
    gap = growth.Gap(parent.step_id, plan.dependents()[parent.step_id], next_id, len(plan.steps))
    new = [entry.step for entry in growth.number(added, gap, registry, GROWTH)]
    last = tuple(step.step_id for step in new if not any(step.step_id in other.depends_on for other in new))
    old = [
        step.model_copy(update={"depends_on": (*step.depends_on, *last)}) if step.step_id in gap.children else step
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": (*old, *new)})
