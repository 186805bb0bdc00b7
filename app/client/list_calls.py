"""
What can be asked of the API about many tasks: which there are, how many, and one action for all of them.

See `calls.py`; docs/http.md says what is refused.
"""

from collections.abc import Mapping
from datetime import datetime

import httpx2

from app.client.call import Call, as_model, given, moment
from app.client.pages import Pages
from app.model.answers import TaskCounts
from app.model.bulk import BulkAction, BulkOutcome, BulkPage
from app.model.task import TaskPage, TaskSummary

PAGE_SIZE = 100


def tasks(
    *,
    status: str | None = None,
    labels: Mapping[str, str] | None = None,
    words: str | None = None,
    created_after: datetime | None = None,
    page_size: int = PAGE_SIZE,
) -> Pages[TaskSummary]:
    """Summaries of tasks, newest first; `status` may also be "open" or "ended". Pages are fetched as needed."""
    read = as_model(TaskPage)
    query = {"limit": page_size, "label": _labels(labels)} | given(
        status=status, q=words, created_after=moment(created_after)
    )

    def page(cursor: str | None) -> Call[tuple[list[TaskSummary], str | None]]:
        params = query | given(cursor=cursor)
        return Call("GET", "/tasks", lambda response: _parts(read(response)), params=params)

    return Pages(page)


def counts(
    *, labels: Mapping[str, str] | None = None, words: str | None = None, created_after: datetime | None = None
) -> Call[TaskCounts]:
    """How many tasks there are, or how many of them match, by where they stand."""
    params = {"label": _labels(labels)} | given(q=words, created_after=moment(created_after))
    return Call("GET", "/tasks/counts", as_model(TaskCounts), params=params)


def bulk(  # noqa: PLR0913  # what, to which tasks, how many at once
    action: BulkAction,
    *,
    status: str | None = None,
    labels: Mapping[str, str] | None = None,
    words: str | None = None,
    created_after: datetime | None = None,
    reason: str | None = None,
    page_size: int = PAGE_SIZE,
) -> Pages[BulkOutcome]:
    """
    Retries failed tasks, cancels open ones or deletes ended ones: all that match, newest first.

    It goes on as you iterate, `page_size` tasks at a time; what you leave is left as it is. May be begun anew.
    """
    read = as_model(BulkPage)
    body = {"action": action, "labels": dict(labels or {}), "limit": page_size} | given(
        status=status, q=words, created_after=moment(created_after), reason=reason
    )

    def page(cursor: str | None) -> Call[tuple[list[BulkOutcome], str | None]]:
        def parts(response: httpx2.Response) -> tuple[list[BulkOutcome], str | None]:
            found = read(response)
            return found.outcomes, found.next

        return Call("POST", "/tasks/bulk", parts, body=body | given(cursor=cursor), repeatable=True)

    return Pages(page)


def _parts(page: TaskPage) -> tuple[list[TaskSummary], str | None]:
    return page.tasks, page.next


def _labels(labels: Mapping[str, str] | None) -> list[str]:
    return [f"{name}:{text}" for name, text in (labels or {}).items()]
