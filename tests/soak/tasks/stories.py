"""Stories of tasks that are broken, steered, put off or limited."""

from .evidence import Event
from .samples import OPENED_MS, Story, step

OTHER = "host:52:y"


def taken_over(wait_ms: int = 2_500) -> list[Event]:
    """The worker of the first step is killed, and another one takes over."""
    story = Story([step(1)]).queued(1).tell("task.started", steps_total=1).started(1, wait=20)
    story.started(1, 2, ms=wait_ms, wait=20 + wait_ms, delivery=2, worker=OTHER)
    story.tell("step.redelivered", 1, 2, worker=OTHER, ms=0, from_worker="host:42:x", to_worker=OTHER, idle_ms=wait_ms)
    return story.completed(1, 2, worker=OTHER).ended(partial=False).events


def cancelled(mode: str = "graceful", *, late: bool = False, ms: int = 10) -> list[Event]:
    story = Story().queued(1).tell("task.started", steps_total=2)
    story.tell("task.cancel_requested", by="client", mode=mode, reason=None)
    if late:
        story.started(1, wait=30)
    else:
        story.tell("step.cancelled", 1, reason="cancelled", caused_by=None)
    story.tell("step.skipped", 2, reason="cancelled", caused_by=None)
    return story.ended("cancelled", ms=ms, reason=None, stop_latency_ms=30).events


def paused(*, meanwhile: bool = False) -> list[Event]:
    story = Story([step(1)]).queued(1).tell("task.paused", by="client", reason=None)
    if meanwhile:
        story.started(1, wait=20).completed(1)
    story.tell("task.resumed", by="client", reason=None).tell("task.started", steps_total=1)
    if not meanwhile:
        story.started(1, wait=40).completed(1)
    return story.ended(partial=False).events


def retried(*, directly: bool = True) -> list[Event]:
    """A step fails for good; its task is retried, and it completes."""
    story = Story([step(1, max_attempts=1, work={"fails": 1})]).queued(1).tell("task.started", steps_total=1)
    story.started(1, wait=20).failed(1).ended("failed", error={}, failed_step=1)
    if not directly:
        story.tell("batch.dispatched")
    story.tell("task.retried", by="client", from_step=None, steps=[1])
    return story.queued(1).started(1, 2).completed(1, 2).ended(partial=False).events


def failed(policy: str, *, how: str = "failed", code: str = "retryable", fails: int = 1_000) -> list[Event]:
    """Of two branches one fails for good."""
    plan = [step(1, max_attempts=1, on_failure=policy, work={"fails": fails}), step(2)]
    story = Story(plan).queued(1).tell("task.started", steps_total=2).started(1, wait=20).failed(1, code=code)
    story.queued(2).started(2).completed(2)
    more = {"error": {}, "failed_step": 1} if how == "failed" else {"partial": True}
    return story.ended(how, **more).events


def put_off(due: int = OPENED_MS + 30) -> list[Event]:
    story = Story([step(1)], submitted={"not_before_ms": due}).tell("step.queued", 1, not_before_ms=due)
    return story.started(1).completed(1).ended(partial=False).events


def expired(deadline: int = OPENED_MS + 30, *, ms: int = 100) -> list[Event]:
    story = Story([step(1)], submitted={"deadline_ms": deadline}).queued(1).tell("step.skipped", 1, reason="deadline")
    return story.ended("expired", ms=ms, reason="deadline").events


def limited(limit: int) -> list[Event]:
    """Two steps are queued at once."""
    story = Story([step(1), step(2)], submitted={"concurrency": {"key": "soak", "limit": limit}}).queued(1).queued(2)
    story.started(1, wait=20).completed(1).started(2, wait=30).completed(2)
    return story.ended(partial=False).events
