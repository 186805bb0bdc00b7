"""A URL on its way to a document: allowed, fetched or taken from the cache, followed, checked, read."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpcore2
import structlog
from anyio import to_thread

from actors.tools.web.gates import gate
from actors.tools.web.http import CONNECTIONS_MAX, Answer, Ask, Http
from actors.tools.web.manners import Manners
from actors.tools.web.network import PinnedBackend, tls_context
from actors.tools.web.robots import Robots
from actors.tools.web.store import Page, WebStore
from actors.tools.web.trouble import Unreached
from app.documents.errors import DocumentError
from app.documents.formats import format_of
from app.documents.readers import read
from app.model.task import Document
from app.web.options import WebOptions
from app.web.urls import BadUrl, WebUrl

log = structlog.get_logger(__name__)

REDIRECTS_MAX = 5
#: A busy host that asks for no more than this is asked again, once.
PATIENCE_S = 10.0
ACCEPT = "text/html,application/xhtml+xml,text/markdown,text/plain;q=0.9,application/pdf;q=0.8,text/*;q=0.5"
#: What a client got wrong stays wrong; these are about the moment.
PASSING = frozenset({408, 425, 429, *range(500, 600)})


class Spending:
    """What is left of the time that one URL may take; waiting for its turn costs nothing."""

    def __init__(self, left_s: float) -> None:
        self.left_s = left_s

    async def get(self, http: Http, url: WebUrl, ask: Ask) -> Answer:
        began_s = time.monotonic()
        try:
            return await http.get(url, ask)
        finally:
            self.left_s = max(0.0, self.left_s - (time.monotonic() - began_s))


@dataclass(frozen=True, slots=True)
class Pages:
    """Reads URLs for one step."""

    http: Http
    store: WebStore
    manners: Manners
    robots: Robots
    options: WebOptions

    async def document(self, url: WebUrl) -> Document:
        """The page as text, under the URL that was asked for; raises `Unreached`."""
        page = await self._page(url)
        # A reader that takes too long goes on for nobody rather than hold up the step.
        return await to_thread.run_sync(_document, str(url), page, abandon_on_cancel=True)

    async def _page(self, url: WebUrl) -> Page:
        # Steps that want the same page at once fetch it once.
        async with gate(f"page {url}").together():
            kept = await to_thread.run_sync(self.store.page, str(url))
            if kept is not None and kept.fresh(self.options.cache_s):
                return kept
            return await self._fetched(url, kept)

    async def _fetched(self, url: WebUrl, kept: Page | None) -> Page:
        at, answer = await self._followed(url, kept)
        if answer.status == HTTPStatus.NOT_MODIFIED and kept is not None:
            await to_thread.run_sync(self.store.checked, str(url))
            return kept
        if answer.status != HTTPStatus.OK:
            raise Unreached(f"answers {_status(answer.status)}", passing=answer.status in PASSING)
        log.info("page_fetched", origin=at.origin, bytes=len(answer.body))
        headers = answer.headers
        page = Page(
            str(at),
            headers.get("content-type", ""),
            answer.body,
            headers.get("etag", ""),
            headers.get("last-modified", ""),
        )
        if "no-store" not in headers.get("cache-control", "").lower():
            await to_thread.run_sync(self.store.keep, str(url), page)
        return page

    async def _followed(self, url: WebUrl, kept: Page | None) -> tuple[WebUrl, Answer]:
        """(where the redirects led, what was said there)."""
        spending = Spending(self.options.page_s_max)
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._asked(url, kept, spending)
            if answer.location is None:
                return url, answer
            url = self._redirected(url, answer.location)
        raise Unreached(f"redirects more than {REDIRECTS_MAX} times")

    async def _asked(self, url: WebUrl, kept: Page | None, spending: Spending) -> Answer:
        verdict = await self.robots.verdict(url)
        if not verdict.allowed:
            raise Unreached("is not for robots, says the site's robots.txt")
        known = kept if kept is not None and kept.final == str(url) else None
        for patient in (True, False):
            async with self.manners.turn(url.host, verdict.delay_s):
                answer = await spending.get(self.http, url, self._ask(url, known, spending.left_s))
            wait_s = await self.manners.heed(url.host, answer)
            if wait_s is None:
                break
            if wait_s > PATIENCE_S or not patient:
                raise Unreached(f"answers {_status(answer.status)}, not before {wait_s:.0f} s", retry_after_s=wait_s)
        return answer

    def _ask(self, url: WebUrl, known: Page | None, left_s: float) -> Ask:
        def wanted(headers: Mapping[str, str]) -> None:
            content_type = headers.get("content-type", "")
            if format_of(str(url), content_type or "text/html") is None:
                raise Unreached(f"is of a kind that is not read: {content_type[:100]}")

        return Ask(ACCEPT, self.options.page_bytes_max, left_s, _conditions(known), wanted)

    def _redirected(self, url: WebUrl, location: str) -> WebUrl:
        try:
            there = self.options.policy.check(url.join(location))
        except BadUrl as error:
            raise Unreached(f"redirects to a URL that {error}") from error
        if url.scheme == "https" and there.scheme != "https":
            raise Unreached("redirects from https to http")
        return there


@asynccontextmanager
async def opened(
    options: WebOptions,
    cache_dir: Path,
    *,
    deadline_s: float,
    network: httpcore2.AsyncNetworkBackend | None = None,
) -> AsyncIterator[Pages]:
    """
    Pages over connections of their own; `network` stands for the pinned one.

    `deadline_s` is when the time for all of them is over, by the monotonic clock.
    """
    store = WebStore(cache_dir, bytes_max=options.cache_bytes_max)
    manners = Manners(store, interval_s=options.interval_s, deadline_s=deadline_s)
    async with httpcore2.AsyncConnectionPool(
        ssl_context=tls_context(),
        max_connections=CONNECTIONS_MAX,
        network_backend=network or PinnedBackend(options.policy),
    ) as pool:
        http = Http(pool, user_agent=options.user_agent)
        yield Pages(http, store, manners, Robots(http, store, manners, options.policy), options)


def _conditions(known: Page | None) -> dict[str, str]:
    if known is None:
        return {}
    fields = {"if-none-match": known.etag, "if-modified-since": known.modified}
    # What the server wrote may be no field that a client may send.
    return {name: value for name, value in fields.items() if value.isascii() and value.isprintable() and value}


def _document(name: str, page: Page) -> Document:
    try:
        document = read(page.final, page.body, page.content_type or "text/html")
    except DocumentError as error:
        raise Unreached(f"cannot be read: {error}") from error
    # A page that breaks its reader is that page's trouble, not that of the step which reads others as well.
    except Exception as error:
        log.exception("page_broke_reader", media_type=page.content_type)
        raise Unreached("cannot be read: it is not what its reader can bear") from error
    if not document.text.strip():
        raise Unreached("holds no text")
    return Document(name=name, text=document.text)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
