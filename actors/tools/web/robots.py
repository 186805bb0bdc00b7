"""
What a site wants robots to leave alone (RFC 9309).

Parsed by protego: the standard library's parser knows neither `*` and `$` in paths nor that the longest rule wins.
A site without the file, or that refuses it, allows everything; one that is out of order allows nothing (section 2.3.1).
"""

from dataclasses import dataclass

from anyio import to_thread
from protego import Protego

from actors.tools.web.gates import gate
from actors.tools.web.http import Answer, Ask, Http
from actors.tools.web.manners import Manners
from actors.tools.web.store import Page, WebStore
from actors.tools.web.trouble import TooLarge, Unreached
from app.web.policy import WebPolicy
from app.web.urls import BadUrl, WebUrl

#: The name by which a robots.txt may speak of us.
ROBOT = "stepstream"
#: Section 2.5 asks for at least 500 KiB.
ROBOTS_BYTES_MAX = 512 << 10
ROBOTS_S_MAX = 10.0
ASK = Ask("text/plain,*/*;q=0.1", ROBOTS_BYTES_MAX, ROBOTS_S_MAX)
REDIRECTS_MAX = 5
KEPT_S = 86_400.0
#: How long a site that was out of order is not asked for the file again.
TROUBLE_S = 60.0
#: A site may ask for minutes between requests; beyond this it is asked for one page and no more.
CRAWL_DELAY_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a URL may be read, and the pause the site asks for between requests, seconds."""

    allowed: bool
    delay_s: float = 0.0


class Robots:
    """The robots.txt files of the sites a step asks."""

    def __init__(self, http: Http, store: WebStore, manners: Manners, policy: WebPolicy) -> None:
        self._http = http
        self._store = store
        self._manners = manners
        self._policy = policy
        self._known: dict[str, Protego | None] = {}

    async def verdict(self, url: WebUrl) -> Verdict:
        """Raises `Unreached` when the site cannot say what it allows."""
        async with gate(f"robots {url.origin}").together():
            if url.origin not in self._known:
                self._known[url.origin] = await self._rules(url)
        rules = self._known[url.origin]
        if rules is None:
            return Verdict(allowed=True)
        delay_s = min(rules.crawl_delay(ROBOT) or 0.0, CRAWL_DELAY_S_MAX)
        return Verdict(rules.can_fetch(str(url), ROBOT), delay_s)

    async def _rules(self, url: WebUrl) -> Protego | None:
        """`None`: there are none."""
        page = await self._kept_or_fetched(url)
        if page.status >= 500:
            raise Unreached("is on a site whose robots.txt cannot be read at the moment", passing=True)
        if page.status != 200:
            return None
        return await to_thread.run_sync(Protego.parse, page.body.decode("utf-8-sig", errors="replace"))

    async def _kept_or_fetched(self, url: WebUrl) -> Page:
        where = WebUrl(url.scheme, url.host, url.port, "/robots.txt")
        kept = await to_thread.run_sync(self._store.page, str(where))
        if kept is not None and kept.fresh(KEPT_S if kept.status < 500 else TROUBLE_S):
            return kept
        page = await self._fetched(where)
        await to_thread.run_sync(self._store.keep, str(where), page)
        return page

    async def _fetched(self, where: WebUrl) -> Page:
        """What was found at the end of the redirects."""
        try:
            answer = await self._followed(where)
        except TooLarge as trouble:
            raise Unreached("is on a site whose robots.txt is too large to be read") from trouble
        except Unreached as trouble:
            # A name that does not exist or leads into a private network is no site that is out of order.
            if not trouble.passing:
                raise
            return Page(str(where), "", b"", status=503)
        return Page(str(where), "", answer.body, status=503 if answer.status == 429 else answer.status)

    async def _followed(self, url: WebUrl) -> Answer:
        for _ in range(REDIRECTS_MAX + 1):
            async with self._manners.turn(url.host):
                answer = await self._http.get(url, ASK)
            await self._manners.heed(url.host, answer)
            if answer.location is None:
                return answer
            try:
                url = self._policy.check(url.join(answer.location))
            except BadUrl:
                break
        # Section 2.3.1.2: what cannot be followed to its end counts as a file that is not there.
        return Answer(404, {})
