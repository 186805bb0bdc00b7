"""The retriever: finds the passages of the task's documents that speak of what it is asked."""

from collections.abc import Sequence

from anyio import to_thread
from pydantic import Field

from actors.agent import StepContext, StepInput, StepOutput, agent
from actors.tools.retrieval.documents import open_indexes
from actors.tools.retrieval.index import PassageIndex
from actors.tools.retrieval.search import QUERIES_MAX, Found, search
from actors.tools.splitting.passages import Passage
from actors.tools.text.inline import amount
from actors.tools.web import Failures, web_documents
from app.documents.folder import Skipped

TOLD_MAX = 5


class RetrieverInput(StepInput):
    """What to look for, and how many passages at most."""

    passages_max: int = Field(8, ge=1, le=50, description="Most passages to return.")
    queries: list[str] = Field(
        [], max_length=QUERIES_MAX, description="The same in other words; what any of them finds counts."
    )


@agent(
    "retriever",
    input_model=RetrieverInput,
    description="Finds relevant passages in the task's documents and pages, and on the web where that is asked for.",
    # A large folder that nobody has indexed before takes its time; what is done by then is kept for the next attempt.
    timeout_ms=600_000,
    gathers=True,
)
async def run(step: RetrieverInput, ctx: StepContext) -> StepOutput:
    await ctx.progress(1, 2, "reading the documents")
    unreached = Failures()
    pages = await web_documents(ctx, step, unreached)
    with ctx.tool("document_index"):
        indexes = await open_indexes(ctx, pages)
    if unreached and not indexes:
        raise unreached.error()
    with ctx.tool("document_search"):
        found = await to_thread.run_sync(_search, indexes, step)
    await ctx.progress(2, 2, _told(found))
    for passage in found.passages:
        await ctx.source(pid=passage.pid, title=passage.title, uri=passage.uri, score=passage.score)
    return StepOutput(
        summary=_summary(found.passages, found.documents),
        data={
            "query": step.text,
            "documents": found.documents,
            "unreachable": unreached.listed(),
            "passages": [passage.model_dump(mode="json") for passage in found.passages],
            "skipped": _listed(found.skipped),
            "notes": _listed(found.notes),
        },
    )


def _search(indexes: list[PassageIndex], step: RetrieverInput) -> Found:
    return search(indexes, step.text, step.passages_max, step.queries)


def _listed(found: Sequence[Skipped]) -> list[dict[str, str]]:
    return [{"name": document.name, "reason": document.reason} for document in found]


def _told(found: Found) -> str:
    """How many documents were searched, and which ones were not."""
    searched = f"searched {amount(found.documents, 'document')}"
    if not found.skipped:
        return searched
    named = "; ".join(f"{document.name} {document.reason}" for document in found.skipped[:TOLD_MAX])
    more = f"; {len(found.skipped) - TOLD_MAX} more" if len(found.skipped) > TOLD_MAX else ""
    return f"{searched}, left out: {named}{more}"


def _summary(found: list[Passage], searched: int) -> str:
    if not found:
        return f"nothing found in {amount(searched, 'document')}"
    return f"{amount(len(found), 'passage')} from {amount(len({passage.uri for passage in found}), 'document')}"
