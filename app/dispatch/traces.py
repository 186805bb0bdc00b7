"""The spans of dispatch: a plan, a submission, a batch in a worker, an attempt of a step."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.broker.errors import Release
from app.dispatch.attempt import Attempt
from app.dispatch.observing import AttemptOutcome
from app.model.agents import AgentRegistry
from app.model.events import ErrorInfo
from app.model.task import NewTask
from app.tracing import names
from app.tracing.tracer import NO_SPAN, UNKEPT, Attributes, Begin, Span, Tracer

#: Outcomes that are an error of the attempt; the others are nobody's.
FAILED = ("failed", "retried")


@contextmanager
def planning(tracer: Tracer, planner: str) -> Iterator[Span]:
    """While somebody plans; what a model is asked for it lies below."""
    if not tracer.keeps():
        yield NO_SPAN
        return
    attributes = {names.GEN_AI_OPERATION: "plan", names.GEN_AI_AGENT: planner, names.PLANNER: planner}
    with tracer.span(Begin(f"plan {planner}", attributes=attributes)) as span:
        yield span


@contextmanager
def sending(
    tracer: Tracer, task: NewTask, agents: AgentRegistry, reused: Collection[int] = (), *, forks: str | None = None
) -> Iterator[Span]:
    """
    While a task is handed in. All of its work lies below this span, whenever and wherever it is done.

    One that `forks` another task's trace links to that.
    """
    if not tracer.keeps():
        with tracer.span(UNKEPT) as span:
            yield span
        return
    steps = task.plan.steps
    roots = [step for step in steps if step.step_id not in reused and set(reused).issuperset(step.depends_on)]
    queues = {agents[step.agent].queue for step in roots}
    queue = queues.pop() if len(queues) == 1 else None
    attributes: Attributes = {
        names.MESSAGING_SYSTEM: names.REDIS,
        names.MESSAGING_OPERATION: "send",
        names.MESSAGING_OPERATION_TYPE: "send",
        names.MESSAGING_DESTINATION: queue,
        names.TASK_ID: task.task_id,
        names.GEN_AI_CONVERSATION: task.task_id,
        names.PLANNER: task.plan.planner,
        names.STEPS: len(steps),
    }
    begin = Begin(f"send {queue}" if queue else "send", "producer", attributes, links=[forks] if forks else ())
    with tracer.span(begin) as span:
        yield span


@contextmanager
def processing(tracer: Tracer, task_id: str, spec: str, message: Any) -> Iterator[Span]:
    """While a worker has the message of a batch in its hands; the spans of its attempts lie below."""
    if not tracer.on or message is None:
        yield NO_SPAN
        return
    queue, sent = message.queue_name, message.options.get("traceparent")
    if not tracer.keeps(sent):
        with tracer.span(Begin(UNKEPT.name, parent=sent)) as span:
            yield span
        return
    attributes: Attributes = {
        names.MESSAGING_SYSTEM: names.REDIS,
        names.MESSAGING_OPERATION: "process",
        names.MESSAGING_OPERATION_TYPE: "process",
        names.MESSAGING_DESTINATION: queue,
        names.MESSAGING_GROUP: queue,
        names.MESSAGING_MESSAGE_ID: message.message_id,
        names.TASK_ID: task_id,
        names.BATCH_STEPS: spec.count(" ") + 1,
        names.DELIVERY: getattr(message, "delivery", 1),
    }
    # Below what sent it, so that a task is one trace; by the link the conventions find it.
    begin = Begin(f"process {queue}", "consumer", attributes, parent=sent, links=[sent] if sent else ())
    with tracer.span(begin) as span:
        try:
            yield span
        except Release:
            span.set({names.OUTCOME: "released"})
            span.excuse()
            raise


@dataclass(slots=True)
class Told:
    """What became of an attempt; said while its span is open."""

    outcome: AttemptOutcome | None = None
    error: ErrorInfo | None = None


@contextmanager
def attempting(tracer: Tracer, attempt: Attempt, worker: str) -> Iterator[Told]:
    """
    While an attempt runs and is settled. A later attempt links to the one before it, whoever made that, and whether
    or not its worker lived to export it.
    """
    told = Told()
    if not tracer.keeps():
        yield told
        return
    task_id, step_id, agent = attempt.ref.task_id, attempt.ref.step_id, attempt.step.agent
    attributes: Attributes = {
        names.GEN_AI_OPERATION: "invoke_agent",
        names.GEN_AI_PROVIDER: names.STEPSTREAM,
        names.GEN_AI_AGENT: agent,
        names.GEN_AI_CONVERSATION: task_id,
        names.TASK_ID: task_id,
        names.STEP_ID: step_id,
        names.ATTEMPT: attempt.number,
        names.WORKER: worker,
    }
    begin = Begin(
        f"invoke_agent {agent}",
        attributes=attributes,
        seed=_seed(task_id, step_id, attempt.number),
        follows=_seed(task_id, step_id, attempt.number - 1) if attempt.number > 1 else None,
    )
    with tracer.span(begin) as span:
        try:
            yield told
        finally:
            _tell(span, told)


def _tell(span: Span, told: Told) -> None:
    if told.outcome not in FAILED:
        span.set({names.OUTCOME: told.outcome})
        span.excuse()
        return
    span.set({names.OUTCOME: told.outcome, names.ERROR_CODE: told.error.code if told.error else None})
    span.fail(told.error.type if told.error else names.OTHER)


def _seed(task_id: str, step_id: int, attempt: int) -> str:
    return f"{task_id} {step_id} {attempt}"
