"""The whole installation, for its operators: workers, queues, dead letters."""

from collections import Counter
from typing import Annotated
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.deps import Admin, Scraper, Services, kept
from app.api.problems import documented
from app.broker.admin import QueueStats
from app.broker.dead_letters import DeadLetter
from app.broker.keys import Level
from app.broker.workers import WorkerReport
from app.dispatch.fleet import failed_step, steps_of
from app.dispatch.worker_report import read_report
from app.model.fleet import (
    LetterBody,
    LetterDetail,
    LetterError,
    LetterPage,
    QueueBody,
    Requeued,
    ScrapeTarget,
    WaitingByLevel,
    WorkerBody,
)

LETTERS_MAX = 100
BODY_CHARS_MAX = 4_096

router = APIRouter(tags=["operations"])

QueueName = Annotated[str, Path(description="Name of a queue.")]


async def _letter_id(
    letter_id: Annotated[str, Path(description="Id of a dead letter, as the list shows it.", examples=["writer:5f0c"])],
) -> tuple[str, str]:
    queue, _, member = letter_id.partition(":")
    return queue, unquote(member)


LetterId = Annotated[tuple[str, str], Depends(_letter_id)]


@router.get("/workers", responses=documented(503))
async def workers(_: Admin, services: Services) -> list[WorkerBody]:
    """The worker processes, as they last reported themselves; those seen last come first."""
    return [_worker(report) for report in await services.fleet.workers()]


@router.get("/workers/targets", responses=documented(503))
async def targets(_: Scraper, services: Services) -> list[ScrapeTarget]:
    """
    Where the metrics of the living workers are, for Prometheus to find: one target per supervisor, not per process.

    The form is that of its [HTTP service discovery](https://prometheus.io/docs/prometheus/latest/http_sd/).
    """
    found = {
        (url, report.host)
        for report in await services.fleet.workers()
        if (url := read_report(report.about).metrics_url)
    }
    return [ScrapeTarget(targets=[urlsplit(url).netloc], labels={"host": host}) for url, host in sorted(found)]


@router.get("/queues", responses=documented(503))
async def queues(_: Admin, services: Services) -> list[QueueBody]:
    """What every queue holds."""
    found = await services.fleet.queues()
    readers = _readers(await services.fleet.workers())
    return [_queue(name, stats, readers[name]) for name, stats in sorted(found.items())]


@router.post("/queues/{queue}/pause", responses=documented(404, 503))
async def pause_queue(_: Admin, queue: QueueName, services: Services) -> QueueBody:
    """Workers fetch nothing more from the queue, within a second and until it is resumed; what runs is finished."""
    await services.fleet.set_paused(queue, paused=True)
    return await _one_queue(queue, services)


@router.post("/queues/{queue}/resume", responses=documented(404, 503))
async def resume_queue(_: Admin, queue: QueueName, services: Services) -> QueueBody:
    """Workers fetch from the queue again."""
    await services.fleet.set_paused(queue, paused=False)
    return await _one_queue(queue, services)


@router.get("/dead-letters", responses=documented(400, 404, 422, 503))
async def dead_letters(
    _: Admin,
    services: Services,
    queue: Annotated[str | None, Query(description="Only those of this queue.")] = None,
    cursor: Annotated[
        str | None,
        Query(description="The `next` of the page before.", json_schema_extra={"pattern": "^[A-Za-z0-9_-]*$"}),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LETTERS_MAX, description="Most letters on the page.")] = 20,
) -> LetterPage:
    """
    Messages that nobody will work on, the newest first.

    Whatever dies or is taken away meanwhile, none is shown twice and none is passed over.
    """
    letters, following = await services.fleet.letters(queue, cursor, limit)
    return LetterPage(letters=[_letter(letter) for letter in letters], next=following)


@router.get("/dead-letters/{letter_id}", responses=documented(404, 503))
async def dead_letter(_: Admin, letter_id: LetterId, services: Services) -> LetterDetail:
    """One dead letter, with its message and who had it before it died."""
    letter = await services.fleet.letter(*letter_id)
    return LetterDetail(
        **dict(_letter(letter)),
        level=Level(letter.level).name.lower(),
        history=list(letter.history),
        body=letter.body[:BODY_CHARS_MAX].decode(errors="replace"),
        body_bytes=len(letter.body),
    )


@router.post(
    "/dead-letters/{letter_id}/requeue",
    status_code=202,
    responses={
        202: {
            "description": "Its work will be done; the letter is gone",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "The task that was retried."}},
        },
        **documented(404, 409, 410, 503),
    },
)
async def requeue(caller: Admin, letter_id: LetterId, response: Response, services: Services) -> Requeued:
    """
    Lets the work of a dead letter be done after all.

    The letter of a step that has failed retries its task from that step, as `/tasks/{id}/retry` does; 409 when the
    task does not allow it. Any other message goes back into its queue, at its level and without its retries.
    """
    with kept(services):
        letter = await services.fleet.requeue(*letter_id, by=caller.name)
    step = failed_step(letter)
    if step is not None:
        response.headers["Location"] = f"/tasks/{step.task_id}"
    task_id = next((ref.task_id for ref in steps_of(letter)), None)
    return Requeued(id=_id(letter), requeued="message" if step is None else "step", task_id=task_id)


@router.delete("/dead-letters/{letter_id}", status_code=204, responses=documented(404, 503))
async def discard(_: Admin, letter_id: LetterId, services: Services) -> None:
    """Deletes a dead letter; its work is not done, and a failed step stays failed."""
    await services.fleet.discard(*letter_id)


async def _one_queue(name: str, services: Services) -> QueueBody:
    stats = await services.fleet.queue(name)
    return _queue(name, stats, _readers(await services.fleet.workers())[name])


def _readers(reports: list[WorkerReport]) -> Counter[str]:
    return Counter(queue for report in reports if report.alive for queue in report.queues)


def _worker(report: WorkerReport) -> WorkerBody:
    told = read_report(report.about)
    for attempt in told.running:
        attempt.running_ms += report.silent_ms
    return WorkerBody(
        worker_id=report.worker_id,
        alive=report.alive,
        host=report.host,
        pid=report.pid,
        version=told.version,
        since_ms=report.started_ms,
        seen_ms=report.seen_ms,
        silent_ms=report.silent_ms,
        queues=list(report.queues),
        threads=report.threads,
        in_flight=report.in_flight,
        running=told.running,
        metrics_url=told.metrics_url,
    )


def _queue(name: str, stats: QueueStats, consumers: int) -> QueueBody:
    levels = stats.waiting_by_level
    return QueueBody(
        name=name,
        waiting=stats.waiting,
        waiting_by_level=WaitingByLevel(high=levels[0], normal=levels[1], low=levels[2]) if levels else None,
        in_flight=stats.in_flight,
        delayed=stats.delayed,
        dead=stats.dead,
        oldest_age_ms=stats.oldest_age_ms,
        paused=stats.paused,
        consumers=consumers,
    )


def _letter(letter: DeadLetter) -> LetterBody:
    steps = steps_of(letter)
    return LetterBody(
        id=_id(letter),
        queue=letter.queue,
        agent=letter.actor,
        reason=letter.reason,
        error=LetterError.of(letter.error),
        task_id=steps[0].task_id if steps else None,
        step_ids=[step.step_id for step in steps],
        deliveries=letter.deliveries,
        died_ms=letter.died_at_ms,
    )


def _id(letter: DeadLetter) -> str:
    """
    Ids of letters are unique within their queue, the name of which holds no colon. A slash, which other programs
    may have in theirs, would be another path.
    """
    return f"{letter.queue}:{letter.letter_id.replace('%', '%25').replace('/', '%2F')}"
