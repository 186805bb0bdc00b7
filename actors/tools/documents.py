"""The documents a step works on: those that came with its task, and the folder the task names."""

from anyio import to_thread

from app.dispatch.context import StepContext
from app.documents.errors import DocumentError, DocumentUnreadable
from app.documents.folder import read_folder
from app.documents.readers import reread
from app.errors import Permanent, Retryable
from app.model.task import Document


async def load_documents(ctx: StepContext) -> list[Document]:
    """
    All documents of the task, those that came with it first.

    Raises `Permanent` when there are none, and no pages to read either, or the folder cannot be used, `Retryable`
    when a file could not be read this time.
    """
    documents = [reread(document) for document in await ctx.documents()]
    if ctx.task_inputs.collection is not None:
        documents += await _collection(ctx, ctx.task_inputs.collection)
    if not documents and not (ctx.task_inputs.urls or ctx.task_inputs.web):
        raise Permanent(
            "This task has no documents: send some with it, name a collection of the server or pages to read.",
            code="no_documents",
        )
    return documents


async def _collection(ctx: StepContext, name: str) -> list[Document]:
    folder = ctx.collections.get(name)
    if folder is None:
        known = ", ".join(sorted(ctx.collections)) or "none"
        raise Permanent(f"There is no collection {name!r}; this worker has: {known}.", code="unknown_collection")
    try:
        documents = (await to_thread.run_sync(read_folder, folder)).documents
    except DocumentUnreadable as error:
        raise Retryable(str(error), code="document_unreadable") from error
    except DocumentError as error:
        raise Permanent(str(error), code="bad_documents") from error
    return [Document(name=f"{name}/{document.name}", text=document.text) for document in documents]
