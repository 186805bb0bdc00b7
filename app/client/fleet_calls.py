"""
What operators can ask of the API: workers, queues, dead letters. Needs a key with the scope `admin`.

As in `calls.py`, each function here is a method of both clients.
"""

from app.client.call import Call, as_model, given, nothing, segment
from app.client.pages import Pages
from app.model.fleet import (
    LetterBody,
    LetterDetail,
    LetterPage,
    QueueBody,
    QueueHistoryBody,
    Requeued,
    ScrapeTarget,
    SystemBody,
    WorkerBody,
)

PAGE_SIZE = 100


def workers() -> Call[list[WorkerBody]]:
    """The worker processes, as they last reported themselves."""
    return Call("GET", "/workers", as_model(list[WorkerBody]))


def worker_targets() -> Call[list[ScrapeTarget]]:
    """
    Where the metrics of the living workers are, one target per supervisor, as Prometheus' discovery reads it.

    For this a key with the scope `metrics` is enough.
    """
    return Call("GET", "/workers/targets", as_model(list[ScrapeTarget]))


def queues() -> Call[list[QueueBody]]:
    """What every queue holds."""
    return Call("GET", "/queues", as_model(list[QueueBody]))


def queue_history(after_ms: int = 0) -> Call[QueueHistoryBody]:
    """What every queue held during the last hour; with `after_ms` only the samples taken after that time."""
    return Call("GET", "/queues/history", as_model(QueueHistoryBody), params={"after_ms": after_ms})


def system() -> Call[SystemBody]:
    """The Redis server, and all API processes."""
    return Call("GET", "/system", as_model(SystemBody))


def pause_queue(queue: str) -> Call[QueueBody]:
    """Lets workers fetch nothing more from a queue; what runs is finished."""
    return Call("POST", f"/queues/{segment(queue)}/pause", as_model(QueueBody))


def resume_queue(queue: str) -> Call[QueueBody]:
    """Lets workers fetch from a queue again."""
    return Call("POST", f"/queues/{segment(queue)}/resume", as_model(QueueBody))


def dead_letters(queue: str | None = None, *, page_size: int = PAGE_SIZE) -> Pages[LetterBody]:
    """Messages that nobody will work on, the newest first."""
    read = as_model(LetterPage)

    def page(cursor: str | None) -> Call[tuple[list[LetterBody], str | None]]:
        params = {"limit": page_size} | given(queue=queue, cursor=cursor)
        return Call("GET", "/dead-letters", lambda response: _parts(read(response)), params=params)

    return Pages(page)


def dead_letter(letter_id: str) -> Call[LetterDetail]:
    """One dead letter, with its message."""
    return Call("GET", _path(letter_id), as_model(LetterDetail))


def requeue(letter_id: str) -> Call[Requeued]:
    """Lets the work of a dead letter be done after all."""
    return Call("POST", f"{_path(letter_id)}/requeue", as_model(Requeued))


def discard(letter_id: str) -> Call[None]:
    """Deletes a dead letter; its work is not done."""
    return Call("DELETE", _path(letter_id), nothing)


def _path(letter_id: str) -> str:
    return f"/dead-letters/{segment(letter_id)}"


def _parts(page: LetterPage) -> tuple[list[LetterBody], str | None]:
    return page.letters, page.next
