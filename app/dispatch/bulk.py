"""
One action for all tasks that match a filter, some per call.

A call acts on at most `BULK_MAX` tasks and says where to go on. New tasks are newer than every cursor, so a series of
calls reaches those that were there when it began and ends. What was done no longer matches, so a series that was
broken off is simply begun again, and a call whose answer was lost is sent again.
"""

import asyncio

from app.dispatch.dispatcher import Dispatcher
from app.dispatch.listing import TaskFilter, TaskList
from app.errors import NotPossible, TaskNotFound
from app.model.bulk import BulkAction, BulkOutcome, BulkPage
from app.model.task import CancelMode

#: Tasks that one call acts on.
BULK_MAX = 100
#: Of these, so many at the same moment.
AT_ONCE_MAX = 8


class Bulk:
    """Acts on the tasks of one tenant."""

    def __init__(self, tasks: TaskList, dispatcher: Dispatcher) -> None:
        self._tasks = tasks
        self._dispatcher = dispatcher

    async def act(  # noqa: PLR0913  # what to do, to which, in whose name
        self,
        action: BulkAction,
        tenant: str,
        wanted: TaskFilter,
        *,
        by: str,
        reason: str | None = None,
        cursor: str | None = None,
        limit: int = BULK_MAX,
    ) -> BulkPage:
        """
        At most `limit` tasks behind the cursor; `wanted.status` is one of `STATES`.

        Raises `BadCursor`, and `Unavailable` when Redis is away or full: some may be done by then, and the same call
        does the rest.
        """
        page = await self._tasks.page(tenant, wanted, cursor=cursor, limit=min(limit, BULK_MAX))
        task_ids, outcomes = [task.task_id for task in page.tasks], list[BulkOutcome]()
        for first in range(0, len(task_ids), AT_ONCE_MAX):
            some = task_ids[first : first + AT_ONCE_MAX]
            why = await asyncio.gather(*(self._refusal(action, task_id, by, reason) for task_id in some))
            outcomes += [BulkOutcome(task_id=task_id, refused=text) for task_id, text in zip(some, why, strict=True)]
        return BulkPage(outcomes=outcomes, next=page.next)

    async def _refusal(self, action: BulkAction, task_id: str, by: str, reason: str | None) -> str | None:
        """Does it; why it was not possible, if it was not."""
        try:
            if action is BulkAction.RETRY:
                await self._dispatcher.retry(task_id, by=by)
            elif action is BulkAction.DELETE:
                await self._dispatcher.delete(task_id)
            elif not await self._dispatcher.cancel(task_id, CancelMode.GRACEFUL, by=by, reason=reason):
                return "The task has ended meanwhile."
        except (NotPossible, TaskNotFound) as error:
            return str(error)
        return None
