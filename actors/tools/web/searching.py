"""Web search: what is asked of a search server, and what counts as an answer."""

import re
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel

from actors.tools.web.http import Ask, Http
from actors.tools.web.manners import BUSY, Manners, retry_after_s
from actors.tools.web.trouble import Unreached
from app.web.urls import parse_url

QUERY_CHARS_MAX = 400
HITS_MAX = 50
TITLE_CHARS_MAX = 300
EXCERPT_CHARS_MAX = 2_000
ANSWER_BYTES_MAX = 2 << 20
ANSWER_S_MAX = 20.0
ASK = Ask("application/json", ANSWER_BYTES_MAX, ANSWER_S_MAX)
#: What SearXNG takes for a command when a word begins with it: engines, languages, bangs that leave the server.
_COMMAND = re.compile(r"(?<!\S)[!:?]+")


class Hit(BaseModel):
    """A page that a search found; `excerpt` is what the search server shows of it."""

    url: str
    title: str = ""
    excerpt: str = ""


class SearchProvider(Protocol):
    """Somebody who can be asked for pages about something."""

    async def search(self, query: str) -> list[Hit]:
        """The hits, best first, at most `HITS_MAX`; raises `Unreached` when the search itself did not work."""


class SearXng:
    """
    A SearXNG server, by its JSON interface.

    Its administrator must have switched that on. The server is the operator's choice, so it may be a private
    one; the pages it names may not.
    """

    def __init__(self, http: Http, manners: Manners, url: str) -> None:
        self._http = http
        self._manners = manners
        self._url = url.rstrip("/")

    async def search(self, query: str) -> list[Hit]:
        words = " ".join(_COMMAND.sub("", query).split())[:QUERY_CHARS_MAX]
        where = parse_url(f"{self._url}/search?{urlencode({'q': words, 'format': 'json'})}")
        async with self._manners.turn(where.host):
            answer = await self._http.get(where, ASK)
        if answer.status == 403:
            raise Unreached("refuses to answer as JSON: add `json` to `search.formats` in the settings of SearXNG")
        if answer.status in BUSY:
            raise Unreached("is busy", retry_after_s=retry_after_s(answer.headers.get("retry-after", "")))
        if answer.status != 200:
            raise Unreached(f"answers {answer.status}", passing=answer.status >= 500)
        return _hits(answer.body)


def _hits(body: bytes) -> list[Hit]:
    try:
        found: Any = orjson.loads(body)
        results = found["results"]
        hits = [hit for result in results[:HITS_MAX] if (hit := _hit(result))]
        silent = found.get("unresponsive_engines") or []
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError) as error:
        raise Unreached("did not answer as SearXNG does", passing=True) from error
    if not hits and silent:
        # Nothing was found because nobody looked.
        raise Unreached(f"got no answer from its engines ({_names(silent)})", passing=True)
    return hits


def _hit(result: Any) -> Hit | None:
    url = result.get("url")
    if not isinstance(url, str):
        return None
    title, excerpt = str(result.get("title") or ""), str(result.get("content") or "")
    return Hit(url=url, title=title[:TITLE_CHARS_MAX], excerpt=excerpt[:EXCERPT_CHARS_MAX])


def _names(engines: Any) -> str:
    names = [str(engine[0] if isinstance(engine, list) and engine else engine) for engine in engines]
    return ", ".join(names)[:200]
