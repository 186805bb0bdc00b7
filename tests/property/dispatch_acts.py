"""What clients and workers do, done to the server and to the model."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.growth import NewStep
from app.dispatch.step_store import PlanHasGrown
from app.model.events import ErrorInfo, LlmUsage, StepProgress
from app.model.task import CancelMode
from tests.property.dispatch_bench import FAR_MS, PROVIDERS, DispatchBench
from tests.property.dispatch_plans import REGISTRY, grown_steps
from tests.property.specification import attempts, starts, whole_tasks
from tests.property.specification.attempts import Claim
from tests.property.specification.starts import Time
from tests.property.specification.state import Answer, At

AGENTS = tuple(REGISTRY.names)
#: What a worker reads that completes a step; nothing: it has no time to go on.
QUEUES: tuple[tuple[str, ...], ...] = (AGENTS, (), AGENTS[:1])
ERROR = ErrorInfo(type="Boom", code="boom", message="boom")


def claim_of(attempt: Attempt) -> Claim:
    return Claim(attempt.ref.task_id, attempt.ref.step_id, attempt.token)


def cancel(bench: DispatchBench, task_id: str, mode: CancelMode) -> None:
    said, answer = bench.act(
        bench.tasks.cancel(task_id, mode, by="x", reason=None),
        lambda at, _: whole_tasks.cancel(bench.world, at, task_id, mode, by="x", reason=None),
    )
    # Sent twice, a cancellation that ends its task at once meets a task that has ended.
    assert said is (answer == "ok") or bench.scripts.twice


def hold_up(bench: DispatchBench, task_id: str, how: str) -> None:
    """Pauses or resumes a task."""
    spec = whole_tasks.pause if how == "pause" else whole_tasks.resume
    said, answer = bench.act(
        getattr(bench.tasks, how)(task_id, by="x", reason="why"),
        lambda at, _: spec(bench.world, at, task_id, by="x", reason="why"),
    )
    assert (said == "NotPossible") == (answer == "terminal")


def start(bench: DispatchBench, ref: StepRef, worker: str) -> Any:
    """The attempt, if there is one."""
    said, answer = bench.act(
        bench.steps.start(ref, worker=worker),
        lambda at, attempt: starts.start(
            bench.world, at, ref.task_id, ref.step_id, ref.dispatch_no,
            nonce=attempt.token.partition(":")[2] if attempt else "", worker=worker,
        ),
    )  # fmt: skip
    assert (said is None) == (answer == "drop")
    return said


def complete(bench: DispatchBench, attempt: Attempt, how: int) -> tuple[Any, str]:
    """The worker goes on, if it may, unless it has no time or reads one queue only."""
    said, answer = _complete(bench, attempt, [], QUEUES[how % len(QUEUES)])
    assert isinstance(said, Attempt) == (answer == "run")
    return said, answer


def grow(bench: DispatchBench, attempt: Attempt, how: int) -> tuple[Any, str]:
    """Adds steps below its own; when others took the ids meanwhile, it takes the next ones."""
    said, answer = _complete(bench, attempt, grown_steps(attempt, how, attempt.next_step_id), AGENTS)
    assert isinstance(said, PlanHasGrown) == (answer == "renumber")
    if isinstance(said, PlanHasGrown):
        return _complete(bench, attempt, grown_steps(attempt, how, said.next_step_id), AGENTS)
    return said, answer


def fail(bench: DispatchBench, attempt: Attempt, how: int) -> tuple[Any, str]:
    claim, retryable, most = claim_of(attempt), how != 1, (2, 9, 1)[how % 3]
    said, answer = bench.act(
        bench.steps.fail(attempt, ERROR, retryable=retryable, delay_ms=FAR_MS, max_attempts=most),
        lambda at, _: attempts.fail(
            bench.world, at, claim, ERROR.code, retryable=retryable, delay_ms=FAR_MS, max_attempts=most
        ),
    )
    assert said == "Fenced" or said is (answer == "retrying")
    return said, answer


def defer(bench: DispatchBench, attempt: Attempt, how: int) -> tuple[Any, str]:
    claim, most, provider = claim_of(attempt), 2, PROVIDERS[how % len(PROVIDERS)]
    said, answer = bench.act(
        bench.steps.defer(attempt, delay_ms=FAR_MS, provider=provider, deferrals_max=most),
        lambda at, _: attempts.defer(bench.world, at, claim, delay_ms=FAR_MS, provider=provider, deferrals_max=most),
    )
    assert said == "Fenced" or said is (answer == "ok")
    return said, answer


def release(bench: DispatchBench, attempt: Attempt, how: int) -> tuple[Any, str]:
    return bench.act(
        bench.steps.release(attempt, "shutdown"),
        lambda at, _: attempts.release(bench.world, at, claim_of(attempt), "shutdown"),
    )


def stop(bench: DispatchBench, attempt: Attempt, how: int) -> tuple[Any, str]:
    return bench.act(bench.steps.stop(attempt), lambda at, _: attempts.stop(bench.world, at, claim_of(attempt)))


def report(bench: DispatchBench, attempt: Attempt, how: int) -> tuple[Any, str]:
    bench.reports += 1
    if how % 2:
        usage = LlmUsage(
            name="draft", model="m", input_tokens=how, output_tokens=3, cached_tokens=None, usd=how * 1.7e-6, ms=1,
            ttft_ms=None,
        )  # fmt: skip
        return bench.act(
            bench.steps.progress(attempt, bench.reports, [usage]),
            lambda at, _: attempts.progress(bench.world, at, claim_of(attempt), "llm.usage", how + 3, how * 1_700),
        )
    return bench.act(
        bench.steps.progress(attempt, bench.reports, [StepProgress(current=1, total=None, message="")]),
        lambda at, _: attempts.progress(bench.world, at, claim_of(attempt), "step.progress"),
    )


def _complete(
    bench: DispatchBench, attempt: Attempt, added: Sequence[NewStep], queues: Collection[str]
) -> tuple[Any, str]:
    async def call() -> Attempt | None:
        reply = await bench.steps.complete(attempt, b"{}", "done", added, queues)
        return Attempt.from_reply(attempt.ref.task_id, reply) if reply else None

    def spec(at: At, said: Any) -> Answer:
        nonce = said.token.partition(":")[2] if isinstance(said, Attempt) else ""
        time = Time(queues, nonce) if queues else None
        return attempts.complete(bench.world, at, claim_of(attempt), [new.step for new in added], time)

    return bench.act(call(), spec)


ACTS: dict[str, Callable[[DispatchBench, Attempt, int], tuple[Any, str]]] = {
    act.__name__: act for act in (complete, grow, fail, defer, release, stop, report)
}
