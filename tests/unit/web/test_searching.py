"""Web search: a SearXNG server, what it answers, and what is made of the pages it names."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from actors.tools.web import Failures, web_documents
from actors.tools.web.searching import EXCERPT_CHARS_MAX, HITS_MAX
from app.errors import Permanent, RateLimited, Retryable
from app.model.agents import StepInput
from tests.unit.web.conftest import Reading
from tests.unit.web.site import Act, Site, reply

pytestmark = pytest.mark.anyio

#: As a server with an engine over a table of pages gave it.
RECORDED = (Path(__file__).parent / "searxng.json").read_text()


def found(*hits: dict[str, Any], silent: object = ()) -> bytes:
    return reply(json.dumps({"results": hits, "unresponsive_engines": silent}), kind="application/json")


class Search:
    """The site plays the search server; its answer is the same whatever is asked."""

    def __init__(self, reading: Reading, site: Site) -> None:
        self.reading = reading
        self.site = site

    async def documents(self, answer: bytes | Act, text: str = "tea", **more: Any) -> list[str]:
        self.site.answers = {**self.site.answers, **dict.fromkeys(self._paths(text), answer)}
        more = {"web": True, "searxng_url": self.site.url("/"), "text": text} | more
        return [document.text for document in await self.reading.read(**more)]

    def _paths(self, text: str) -> list[str]:
        return [f"/search?q={text}&format=json"]


@pytest.fixture
def search(reading: Reading, site: Site) -> Search:
    return Search(reading, site)


async def test_pages_that_are_found_are_read(search: Search, site: Site) -> None:
    """In the order of the search, under their own URLs."""
    site.answers |= {f"/{name}": reply(f"About {name}.", kind="text/plain") for name in ("a", "b")}

    texts = await search.documents(found({"url": site.url("/b")}, {"url": site.url("/a")}))

    assert texts == ["About b.", "About a."]
    assert not search.reading.failures
    assert search.reading.messages[0] == "searching the web"


async def test_a_recorded_answer_is_understood(search: Search) -> None:
    """Titles and excerpts of pages that cannot be read stand for them; private pages are not even tried."""
    recorded = re.sub(r"https://(tea|coffee)\.example", search.site.url(""), RECORDED)

    texts = await search.documents(reply(recorded, kind="application/json"))

    assert texts[0] == "# Black tea\n\nBlack tea is steeped with boiling water for three to five minutes.\n"
    assert len(texts) == 3
    reasons = {failure["uri"]: failure["reason"] for failure in search.reading.failures.listed()}
    assert reasons["http://10.0.0.5/tea"].startswith("leads to 10.0.0.5, which is not public")
    assert reasons[search.site.url("/green")] == "answers 404 Not Found; what the search shows of it was used instead"


async def test_as_many_pages_are_read_as_may_be(search: Search, site: Site) -> None:
    """The best ones; those the task names itself come first and do not count."""
    for n in range(9):
        site.answers[f"/{n}"] = reply(f"Page {n}.", kind="text/plain")
    hits = [{"url": site.url(f"/{n}")} for n in range(1, 9)]

    documents = await search.reading.read("/0", web=True, searxng_url=site.url(), pages_max=3, text="none")
    texts = await search.documents(found(*hits), pages_max=3)

    assert [document.text for document in documents] == ["Page 0."]
    assert texts == ["Page 1.", "Page 2.", "Page 3."]


@pytest.mark.parametrize(
    ("answer", "reason", "error"),
    [
        (reply("", status="403 Forbidden"), "add `json` to `search.formats`", Permanent),
        (reply("", "retry-after: 60", status="429 Too Many Requests"), "is busy", RateLimited),
        (reply("", status="502 Bad Gateway"), "answers 502", Retryable),
        (reply("", "location: /", status="302 Found"), "answers 302", Permanent),
        (reply("<html>", kind="text/html"), "did not answer as SearXNG does", Retryable),
        (reply("[]", kind="application/json"), "did not answer as SearXNG does", Retryable),
        (reply('{"results": [1]}', kind="application/json"), "did not answer as SearXNG does", Retryable),
        (
            found(silent=[["duck", "timeout"], ["goose", "CAPTCHA"]]),
            "no answer from its engines (duck, goose)",
            Retryable,
        ),
    ],
)
async def test_a_search_that_did_not_work_is_no_search_without_results(
    search: Search, answer: bytes, reason: str, error: type[Exception]
) -> None:
    """Each with what can be done about it; the server's address is the operator's business."""
    assert await search.documents(answer) == []

    (failure,) = search.reading.failures.listed()
    assert failure["uri"] == "web search"
    assert reason in failure["reason"]
    assert isinstance(search.reading.failures.error(), error)


async def test_nothing_found_is_an_answer(search: Search) -> None:
    """When the engines did look."""
    assert await search.documents(found()) == []

    assert not search.reading.failures


async def test_a_worker_without_a_search_server_says_so(reading: Reading) -> None:
    """The API knew one, perhaps."""
    assert await reading.read(web=True) == []

    assert reading.reasons == ["is not possible: this worker knows no search server"]


async def test_a_query_is_words_and_no_command(reading: Reading, site: Site) -> None:
    """Bangs would leave the server, or choose its engines."""
    await reading.read(web=True, searxng_url=site.url("/sub/"), text="!!g  tea !wp\n:de ? " + "x" * 1_000)

    asked = parse_qs(urlsplit(site.asked[-1].path).query)
    assert site.asked[-1].path.startswith("/sub/search?")
    assert asked["q"][0].startswith("g tea wp de x")
    assert len(asked["q"][0]) == 400


async def test_a_step_that_runs_again_does_not_search_again(reading: Reading, site: Site) -> None:
    """What was found the first time is remembered, so the step works on the same pages."""
    hits = [{"url": site.url(f"/{n}"), "content": "é" * 5_000} for n in range(HITS_MAX + 5)]
    site.answers |= {"/search?q=tea&format=json": found(*hits), "/0": reply("Tea is hot.", kind="text/plain")}
    ctx = reading.context([], web=True, searxng_url=site.url(), pages_max=20)

    first = await web_documents(ctx, StepInput(text="tea"), Failures())
    again = await web_documents(ctx, StepInput(text="tea"), Failures())

    assert first == again
    assert first[0].text == "Tea is hot."
    assert len(first[1].text) == EXCERPT_CHARS_MAX
    assert [path for path in site.paths() if path.startswith("/search")] == ["/search?q=tea&format=json"]
