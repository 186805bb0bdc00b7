"""The documents a step works on: those that came with its task, and the folder the task names; and their indexes."""

from collections.abc import Iterator
from functools import partial

import anyio
from anyio import from_thread, to_thread

from actors.tools.retrieval.corpora import Corpus, Folder, Given
from actors.tools.retrieval.index import PassageIndex
from actors.tools.retrieval.indexing import Done, Stopped, Watch
from app.dispatch.context import StepContext
from app.documents.errors import DocumentError, DocumentUnreadable
from app.errors import Permanent, Retryable
from app.model.task import Document

WAIT_S = 0.1  # between two looks whether another worker has finished the index
TOLD_STEPS = 20  # how often the progress of an indexing is told
MIB = 1 << 20


async def open_indexes(ctx: StepContext, pages: list[Document]) -> list[PassageIndex]:
    """
    Indexes of all the task's documents, up to date: of those that came with it together with its pages, and of its
    folder. None when there are only pages, and none of those could be had.

    Raises `Permanent` when there are no documents or none can be used, `Retryable` when a file could not be read
    this time or the time was over; what was indexed by then is kept.
    """
    corpora = [*await _given(ctx, pages), *_folder(ctx)]
    if not corpora and not (ctx.task_inputs.urls or ctx.task_inputs.web):
        raise Permanent(
            "This task has no documents: send some with it, name a collection of the server or pages to read.",
            code="no_documents",
        )
    indexes = [PassageIndex(corpus, ctx.cache_dir) for corpus in corpora]
    for index in indexes:
        await _up_to_date(ctx, index)
    return indexes


async def _given(ctx: StepContext, pages: list[Document]) -> list[Corpus]:
    documents = [*await ctx.documents(), *pages]
    return [await to_thread.run_sync(Given, documents)] if documents else []


def _folder(ctx: StepContext) -> Iterator[Corpus]:
    name = ctx.task_inputs.collection
    if name is None:
        return
    folder = ctx.collections.get(name)
    if folder is None:
        known = ", ".join(sorted(ctx.collections)) or "none"
        raise Permanent(f"There is no collection {name!r}; this worker has: {known}.", code="unknown_collection")
    yield Folder(folder, f"{name}/")


async def _up_to_date(ctx: StepContext, index: PassageIndex) -> None:
    watch = Watch(_Teller(ctx), lambda: ctx.cancelled() or not ctx.remaining_s)
    waited = False
    while not await to_thread.run_sync(_refreshed, index, watch):
        if not waited:
            await ctx.progress(0, None, "waiting for another worker that indexes the same documents")
        waited = True
        await anyio.sleep(WAIT_S)


def _refreshed(index: PassageIndex, watch: Watch) -> bool:
    try:
        return index.refresh(watch)
    except DocumentUnreadable as error:
        raise Retryable(str(error), code="document_unreadable") from error
    except DocumentError as error:
        raise Permanent(str(error), code="bad_documents") from error
    except Stopped as error:
        raise Retryable("The indexing was stopped; what was done is kept.", code="indexing_stopped") from error


class _Teller:
    """Tells the step's watchers now and then how far the indexing is; called in the thread that indexes."""

    def __init__(self, ctx: StepContext) -> None:
        self._ctx = ctx
        self._next = 0

    def __call__(self, done: Done) -> None:
        # A few small documents are indexed before anybody could read about it.
        if done.bytes_total < MIB or done.bytes < self._next:
            return
        self._next = done.bytes + done.bytes_total // TOLD_STEPS
        message = (
            f"indexing: {done.documents} of {done.documents_total} documents, "
            f"{done.bytes / MIB:.0f} of {done.bytes_total / MIB:.0f} MiB"
        )
        from_thread.run(partial(self._ctx.progress, done.documents, done.documents_total, message))
