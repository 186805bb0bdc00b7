"""The pages of a step: those its task names, and those that a search finds, all at once and each host in its turn."""

import time
from dataclasses import dataclass, field
from itertools import accumulate

import anyio
import httpcore2
import orjson

from actors.tools.web.http import Http
from actors.tools.web.network import tls_context
from actors.tools.web.pages import Pages, opened
from actors.tools.web.searching import Hit, SearchProvider, SearXng
from actors.tools.web.trouble import Failures, Unreached
from app.dispatch.context import StepContext
from app.model.agents import StepInput
from app.model.task import Document
from app.web.urls import BadUrl, WebUrl

#: How much of a step's time fetching may take; the rest is for reading what was got.
TIME_SHARE = 0.7
GATHERING_S_MAX = 120.0
#: What a failed search is called among the pages that could not be read: its address is the operator's business.
SEARCH = "web search"
REMEMBERED_BYTES_MAX = 60 << 10


@dataclass(slots=True)
class Target:
    """A page to read; `hit` when a search found it."""

    url: WebUrl
    hit: Hit | None = None
    document: Document | None = None


@dataclass(slots=True)
class Gathering:
    """The pages of one step, as they come in."""

    ctx: StepContext
    failures: Failures
    targets: list[Target] = field(default_factory=list)
    #: Whether the search, where one is asked for, has come to an end, good or bad.
    searched: bool = False
    _done: int = 0

    def add(self, text: str, hit: Hit | None = None) -> None:
        """One more page, unless it is there already or must not be fetched."""
        try:
            url = self.ctx.web.policy.check_url(text)
        except BadUrl as error:
            self.failures.add(text, Unreached(str(error)))
            return
        if url not in {target.url for target in self.targets}:
            self.targets.append(Target(url, hit))

    async def read(self, pages: Pages) -> None:
        """Reads all of them side by side; what is not there at the deadline is left out."""
        async with anyio.create_task_group() as group:
            for target in self.targets:
                group.start_soon(self._read, pages, target)

    async def _read(self, pages: Pages, target: Target) -> None:
        try:
            with self.ctx.tool("web_fetch"):
                target.document = await pages.document(target.url)
        except Unreached as trouble:
            self.failures.add(str(target.url), _told(target, trouble))
        self._done += 1
        what = "read" if target.document is not None else "could not read"
        await self.ctx.progress(self._done, len(self.targets), f"{what} {target.url}")

    def late(self) -> None:
        """Tells of what was still under way when the time was over."""
        if self.ctx.task_inputs.web and not self.searched:
            self.failures.add(SEARCH, Unreached("did not end in the time that the step had", passing=True))
        for target in self.targets:
            if target.document is None:
                late = Unreached("was not read in the time that the step had", passing=True)
                self.failures.add(str(target.url), _told(target, late))

    def documents(self) -> list[Document]:
        """In the order of the targets, the same text once; of a page that was not read what the search shows of it."""
        found = [target.document or _excerpt(target) for target in self.targets]
        unique: dict[str, Document] = {}
        for document in found:
            if document is not None:
                unique.setdefault(document.text, document)
        return list(unique.values())


async def web_documents(ctx: StepContext, step: StepInput, report: Failures) -> list[Document]:
    """
    The pages that the task names, and those found for the step's text where the task asks for a search.

    What could not be had is added to `report`. Raises nothing for a page or search that fails.
    """
    if not (ctx.task_inputs.urls or ctx.task_inputs.web):
        return []
    gathering = Gathering(ctx, report)
    budget_s = min(ctx.remaining_s * TIME_SHARE, GATHERING_S_MAX)
    with anyio.move_on_after(budget_s):
        if ctx.web.fetch:
            await _gather(gathering, step, time.monotonic() + budget_s)
    if not ctx.web.fetch:
        for text in [*ctx.task_inputs.urls, *([SEARCH] if ctx.task_inputs.web else [])]:
            report.add(text, Unreached("is not possible: this worker fetches nothing"))
    gathering.late()
    return gathering.documents()


async def _gather(gathering: Gathering, step: StepInput, deadline_s: float) -> None:
    ctx, options = gathering.ctx, gathering.ctx.web
    for number, url in enumerate(ctx.task_inputs.urls):
        if number < options.urls_max:
            gathering.add(url)
        else:
            gathering.failures.add(url, Unreached(f"is beyond the {options.urls_max} pages that this worker reads"))
    async with opened(options, ctx.cache_dir, deadline_s=deadline_s) as pages:
        if ctx.task_inputs.web:
            await _search(gathering, pages, step.text)
            gathering.searched = True
        await gathering.read(pages)


async def _search(gathering: Gathering, pages: Pages, query: str) -> None:
    ctx, options = gathering.ctx, gathering.ctx.web
    if not options.searches:
        gathering.failures.add(SEARCH, Unreached("is not possible: this worker knows no search server"))
        return
    await ctx.progress(0, None, "searching the web")
    try:
        with ctx.tool("web_search"):
            hits = await _asked(ctx, pages, query)
    except Unreached as trouble:
        gathering.failures.add(SEARCH, trouble)
        return
    wanted = len(gathering.targets) + options.pages_max
    for hit in hits:
        if len(gathering.targets) < wanted:
            gathering.add(hit.url, hit)


async def _asked(ctx: StepContext, pages: Pages, query: str) -> list[Hit]:
    async with httpcore2.AsyncConnectionPool(ssl_context=tls_context()) as pool:
        # Not over the pinned connections: the operator may have it in a private network.
        http = Http(pool, user_agent=ctx.web.user_agent)
        return await _remembered(ctx, SearXng(http, pages.manners, ctx.web.searxng_url), query)


async def _remembered(ctx: StepContext, provider: SearchProvider, query: str) -> list[Hit]:
    """The hits of this step: the same ones when it runs again."""

    async def search() -> list[dict[str, str]]:
        return _kept([hit.model_dump() for hit in await provider.search(query)][: 2 * ctx.web.pages_max])

    kept = await ctx.once("web search", search)
    return [Hit.model_validate(hit) for hit in kept] if isinstance(kept, list) else []


def _kept(hits: list[dict[str, str]]) -> list[dict[str, str]]:
    """As many as a memo holds."""
    sizes = accumulate(len(orjson.dumps(hit)) + 1 for hit in hits)
    return [hit for hit, size in zip(hits, sizes, strict=True) if size <= REMEMBERED_BYTES_MAX]


def _excerpt(target: Target) -> Document | None:
    """What the search server shows of a page: little, but found for the question."""
    hit = target.hit
    if hit is None or not hit.excerpt.strip():
        return None
    return Document(name=str(target.url), text=f"# {hit.title}\n\n{hit.excerpt}\n" if hit.title else hit.excerpt)


def _told(target: Target, trouble: Unreached) -> Unreached:
    if _excerpt(target) is None:
        return trouble
    reason = f"{trouble.reason}; what the search shows of it was used instead"
    return Unreached(reason, passing=trouble.passing, retry_after_s=trouble.retry_after_s)
