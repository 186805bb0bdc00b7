"""The retriever: finds the passages of the task's documents that speak of what it is asked."""

from anyio import to_thread
from pydantic import Field

from actors.agent import StepContext, StepInput, StepOutput, agent
from actors.tools.documents import load_documents
from actors.tools.index import PassageIndex
from actors.tools.passages import Passage
from actors.tools.search import find_passages
from actors.tools.web import Failures, web_documents


class RetrieverInput(StepInput):
    """What to look for, and how many passages at most."""

    passages_max: int = Field(8, ge=1, le=50, description="Most passages to return.")


@agent(
    "retriever",
    input_model=RetrieverInput,
    description="Finds relevant passages in the task's documents and pages, and on the web where that is asked for.",
    gathers=True,
)
async def run(step: RetrieverInput, ctx: StepContext) -> StepOutput:
    await ctx.progress(1, 2, "reading the documents")
    unreached = Failures()
    documents = [*await load_documents(ctx), *await web_documents(ctx, step, unreached)]
    if unreached and not documents:
        raise unreached.error()
    await ctx.progress(2, 2, f"searching {_count(len(documents), 'document')}")
    index = await to_thread.run_sync(PassageIndex, documents, ctx.cache_dir)
    found = await to_thread.run_sync(find_passages, index, step.text, step.passages_max)
    for passage in found:
        await ctx.source(pid=passage.pid, title=passage.title, uri=passage.uri, score=passage.score)
    return StepOutput(
        summary=_summary(found, len(documents)),
        data={
            "query": step.text,
            "documents": len(documents),
            "unreachable": unreached.listed(),
            "passages": [passage.model_dump(mode="json") for passage in found],
        },
    )


def _summary(found: list[Passage], searched: int) -> str:
    if not found:
        return f"nothing found in {_count(searched, 'document')}"
    return f"{_count(len(found), 'passage')} from {_count(len({passage.uri for passage in found}), 'document')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
