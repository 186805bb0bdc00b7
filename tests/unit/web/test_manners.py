"""How sites are treated: their robots.txt, their pace, and what is not asked for twice."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ByteStream

from actors.tools.web.gates import gate
from actors.tools.web.manners import PATIENCE_S, Manners, retry_after_s
from actors.tools.web.store import Page, WebStore
from actors.tools.web.trouble import Unreached
from app.errors import Permanent, RateLimited, Retryable
from tests.unit.web.conftest import Reading
from tests.unit.web.site import Site, redirect, reply

pytestmark = pytest.mark.anyio

HOT = reply("Tea is hot.", kind="text/plain")


def robots(*lines: str) -> bytes:
    return reply("\n".join(lines), kind="text/plain")


@pytest.mark.parametrize(
    ("lines", "path", "allowed"),
    [
        (["User-agent: *", "Disallow: /"], "/tea", False),
        (["User-agent: *", "Disallow: /private/"], "/tea", True),
        (["User-agent: *", "Disallow: /*.txt$"], "/tea.txt", False),
        (["User-agent: *", "Disallow: /*.txt$"], "/tea.txt?raw", True),
        (["User-agent: *", "Disallow: /", "Allow: /tea"], "/tea", True),
        (["User-agent: *", "Disallow: /", "", "User-agent: Stepstream", "Allow: /"], "/tea", True),
        (["User-agent: stepstream", "Disallow: /tea"], "/tea", False),
        (["User-agent: otherbot", "Disallow: /"], "/tea", True),
        (["<!doctype html><p>Not found</p>"], "/tea", True),
        ([""], "/tea", True),
    ],
)
async def test_what_a_site_forbids_is_not_read(
    reading: Reading, site: Site, lines: list[str], path: str, *, allowed: bool
) -> None:
    """By the rules of RFC 9309: the longest rule wins, `*` and `$` mean something, our own group comes first."""
    site.answers |= {"/robots.txt": robots(*lines), path: HOT}

    documents = await reading.read(path)

    assert len(documents) == allowed
    assert site.paths() == ([path] if allowed else [])
    if not allowed:
        assert reading.reasons == ["is not for robots, says the site's robots.txt"]


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        (reply("", status="404 Not Found"), True),
        (reply("", status="403 Forbidden"), True),
        (reply("", status="500 Internal Server Error"), False),
        (reply("", status="503 Service Unavailable"), False),
        (redirect("/robots.txt"), True),
        (redirect("http://10.0.0.1/robots.txt"), True),
        (redirect("/elsewhere"), False),
        (reply(b"#" * (600 << 10), kind="text/plain"), False),
    ],
    ids=["gone", "forbidden", "broken", "busy", "circle", "private", "elsewhere", "huge"],
)
async def test_a_site_without_rules_allows_all_and_one_out_of_order_nothing(
    reading: Reading, site: Site, answer: bytes, *, allowed: bool
) -> None:
    """RFC 9309, section 2.3.1; redirects are followed to the rules they lead to, but not into private networks."""
    site.answers |= {"/robots.txt": answer, "/elsewhere": robots("User-agent: *", "Disallow: /"), "/tea": HOT}

    assert len(await reading.read("/tea")) == allowed
    assert (site.paths()[-1:] == ["/tea"]) == allowed


async def test_hostile_rules_cost_no_time(reading: Reading, site: Site) -> None:
    """Patterns that would take a backtracking matcher for ever."""
    lines = [f"Disallow: /{'*a' * 30}{n}$" for n in range(200)]
    site.answers["/robots.txt"] = robots("User-agent: *", *lines)
    path = "/" + "a" * 1_500
    site.answers[path] = HOT

    assert len(await reading.read(path)) == 1


async def test_rules_are_asked_for_once(reading: Reading, site: Site) -> None:
    """Per site and day, by all steps of the machine."""
    site.answers |= {"/robots.txt": robots("User-agent: *", "Allow: /"), "/a": HOT, "/b": HOT, "/c": HOT}

    await reading.read("/a", "/b")
    await reading.read("/c")

    assert [asked.path for asked in site.asked].count("/robots.txt") == 1


async def test_a_page_is_fetched_once_by_steps_that_want_it_at_once(reading: Reading, site: Site) -> None:
    """The branches of a comparison read the same pages side by side."""
    site.answers["/tea"] = HOT

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(reading.read, "/tea")

    assert site.paths() == ["/tea"]


async def test_a_page_that_is_no_longer_fresh_is_asked_whether_it_has_changed(reading: Reading, site: Site) -> None:
    """By its ETag and its date; what has not changed is not sent again."""
    site.answers["/tea"] = reply(
        "Tea is hot.", 'etag: "one"', "last-modified: Mon, 01 Jan 2024 00:00:00 GMT", kind="text/plain"
    )
    await reading.read("/tea")
    site.answers["/tea"] = reply(b"", status="304 Not Modified")

    (document,) = await reading.read("/tea", cache_s=0.0)

    assert document.text == "Tea is hot."
    assert site.asked[-1].headers["if-none-match"] == '"one"'
    assert site.asked[-1].headers["if-modified-since"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    site.answers["/tea"] = reply("Tea is cold.", kind="text/plain")
    assert [document.text for document in await reading.read("/tea", cache_s=0.0)] == ["Tea is cold."]
    assert [document.text for document in await reading.read("/tea")] == ["Tea is cold."]


async def test_what_is_not_to_be_stored_is_not(reading: Reading, site: Site) -> None:
    """`Cache-Control: no-store`."""
    site.answers["/tea"] = reply("Tea is hot.", "cache-control: private, no-store", kind="text/plain")

    await reading.read("/tea")
    await reading.read("/tea")

    assert site.paths() == ["/tea", "/tea"]


def _busy_once(*fields: str) -> Any:
    answers = [reply("", *fields, status="503 Service Unavailable"), HOT]

    async def act(client: ByteStream) -> None:
        await client.send(answers.pop(0))

    return act


async def test_a_busy_host_is_asked_again_when_it_says_so(reading: Reading, site: Site) -> None:
    """What is a matter of seconds is worth the wait."""
    site.answers["/tea"] = _busy_once("retry-after: 0")

    (document,) = await reading.read("/tea")

    assert document.text == "Tea is hot."
    assert site.paths() == ["/tea", "/tea"]


async def test_a_host_that_wants_to_be_left_alone_is(reading: Reading, site: Site) -> None:
    """By this page and by all others, also of later steps; the other hosts are read."""
    site.answers |= {"/tea": reply("", "retry-after: 300", status="429 Too Many Requests"), "/coffee": HOT}

    assert await reading.read("/tea") == []
    assert reading.reasons == ["answers 429 Too Many Requests, not before 300 s"]
    error = reading.failures.error()
    assert isinstance(error, RateLimited)
    assert error.retry_after_ms == 300_000
    assert error.provider != "retriever"

    assert await reading.read("/coffee") == []
    assert "no time to wait" in reading.reasons[0]
    again = reading.failures.error()
    assert isinstance(again, RateLimited)
    assert 200_000 < again.retry_after_ms <= 300_000
    assert site.paths() == ["/tea"]


async def test_no_task_waits_for_a_day(reading: Reading, site: Site) -> None:
    """However much patience a site asks for."""
    site.answers["/tea"] = reply("", "retry-after: 86400", status="429 Too Many Requests")

    assert await reading.read("/tea") == []

    assert isinstance(reading.failures.error(), Permanent)


async def test_what_a_step_fails_with_says_whether_another_try_helps(reading: Reading, site: Site) -> None:
    """A page that is not there will not be there in a second either."""
    site.answers |= {"/busy": reply("", status="500 Internal Server Error")}

    await reading.read("/gone", "http://10.0.0.1/")
    assert isinstance(reading.failures.error(), Permanent)
    assert str(reading.failures.error()).endswith("which is not public: private (RFC 1918); and 1 more.")

    await reading.read("/gone", "/busy")
    assert isinstance(reading.failures.error(), Retryable)


async def test_pages_that_do_not_come_in_time_are_left_out(reading: Reading, site: Site) -> None:
    """The step ends with what it has."""

    async def never(_: ByteStream) -> None:
        await anyio.sleep_forever()

    site.answers |= {"/tea": HOT, "/never": never}

    documents = await reading.read("/never", "/tea", deadline_s=time.monotonic() + 4)

    assert [document.text for document in documents] == ["Tea is hot."]
    assert reading.reasons == ["was not read in the time that the step had"]


async def test_a_host_gets_two_requests_at_once_and_no_more(reading: Reading, site: Site) -> None:
    """However many of its pages a step wants."""
    now, most = 0, 0

    async def counted(client: ByteStream) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        now -= 1
        await client.send(reply(f"Page {site.asked[-1].path}.", kind="text/plain"))

    site.answers |= {f"/{n}": counted for n in range(8)}

    await reading.read(*site.answers)

    assert len(site.paths()) == 8
    assert most <= 2


async def test_pages_beyond_what_a_worker_reads_are_told(reading: Reading, site: Site) -> None:
    """It may have a lower limit than the API that took the task."""
    site.answers |= {"/a": HOT, "/b": reply("Coffee.")}

    assert len(await reading.read("/a", "/b", urls_max=1)) == 1

    assert reading.failures.listed() == [
        {"uri": site.url("/b"), "reason": "is beyond the 1 pages that this worker reads"}
    ]


async def test_nothing_is_fetched_where_that_is_switched_off(reading: Reading, site: Site) -> None:
    """The API refuses such a task; a worker with other settings says so too."""
    assert await reading.read("/tea", fetch=False, web=True) == []

    assert [failure["uri"] for failure in reading.failures.listed()] == [site.url("/tea"), "web search"]
    assert site.asked == []


async def test_a_cache_that_cannot_be_written_costs_nothing_but_requests(
    reading: Reading, site: Site, tmp_path: Path
) -> None:
    """It is a file where the folder should be; then a file that is no database."""
    site.answers["/tea"] = HOT
    reading.cache_dir.write_text("")

    assert len(await reading.read("/tea")) == len(await reading.read("/tea")) == 1
    assert site.paths() == ["/tea", "/tea"]

    reading.cache_dir.unlink()
    store = WebStore(reading.cache_dir, bytes_max=1 << 20)
    reading.cache_dir.mkdir()
    store.path.write_bytes(b"no database" * 1_000)
    assert len(await reading.read("/tea")) == len(await reading.read("/tea")) == 1
    assert site.paths() == ["/tea"] * 3


def test_a_host_has_one_turn_after_another(tmp_path: Path) -> None:
    """However many threads and processes ask at once; nobody waits for a turn that comes too late."""
    store = WebStore(tmp_path, bytes_max=1 << 20)
    now = time.time()

    with ThreadPoolExecutor(8) as threads:
        turns = list(threads.map(lambda _: store.turn("a.example", interval_s=10.0, latest_s=now + 75.0), range(12)))

    granted = sorted(turn for turn in turns if turn <= now + 75.0)
    assert len(granted) == 8
    assert {round(turn - granted[0]) for turn in turns if turn > now + 75.0} == {80}
    assert [round(turn - granted[0]) for turn in granted] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert store.turn("b.example", interval_s=10.0, latest_s=now + 75.0) < now + 10
    store.leave_alone("b.example", now + 1_000)
    assert store.turn("b.example", interval_s=10.0, latest_s=now + 75.0) == now + 1_000


def test_the_cache_keeps_what_was_used_last(tmp_path: Path) -> None:
    """And no more bytes than it may, nor anything that nobody has asked for in a week."""
    store = WebStore(tmp_path, bytes_max=2_500)
    for name in "abc":
        store.keep(f"http://{name}.example/", Page(name, "text/plain", name.encode() * 1_000))

    assert store.page("http://a.example/") is None
    assert store.page("http://b.example/") is not None
    store.keep("http://d.example/", Page("d", "text/plain", b"d" * 1_000))
    assert store.page("http://c.example/") is None
    assert store.page("http://b.example/") is not None

    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE pages SET used_s = used_s - 8 * 86400")
    db.close()
    store.keep("http://e.example/", Page("e", "text/plain", b"e"))
    assert [store.page(f"http://{name}.example/") is None for name in "bde"] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", PATIENCE_S), ("7", 7), ("0", 0.1), ("999999999", 86_400), ("99999999999999999999", PATIENCE_S),
     ("soon", PATIENCE_S),
     ("-5", PATIENCE_S), ("Mon, 01 Jan 2024 00:00:00 GMT", 0.1), ("Fri, 31 Dec 2199 23:59:59 GMT", 86_400)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_within_reason(text: str, seconds: float) -> None:
    """What is neither is half a minute; nothing is longer than a day."""
    assert retry_after_s(text) == seconds


async def test_the_pause_that_a_site_asks_for_is_kept(reading: Reading, site: Site) -> None:
    """`Crawl-delay`, up to ten seconds; a step that has not that much time says so."""
    site.answers |= {"/robots.txt": robots("User-agent: *", "Crawl-delay: 3600"), "/a": HOT, "/b": reply("Coffee.")}

    documents = await reading.read("/a", "/b", deadline_s=time.monotonic() + 12)

    assert len(documents) == 1
    assert reading.reasons == ["is on a host that is asked rarely, and the step has no time to wait"]


async def test_a_turn_is_given_up_when_it_comes_too_late(tmp_path: Path) -> None:
    """Before anybody waits."""
    manners = Manners(WebStore(tmp_path, bytes_max=0), interval_s=50.0, deadline_s=time.monotonic() + 20)
    async with manners.turn("a.example"):
        pass

    with pytest.raises(Unreached, match="no time to wait") as caught:
        async with manners.turn("a.example"):
            pass

    assert caught.value.passing


async def test_a_strange_etag_is_not_sent_back(reading: Reading, site: Site) -> None:
    """A server may write into a field what no client may."""
    answer = reply("Tea is hot.", "etag: ?", "last-modified: soon\tor late", kind="text/plain")
    site.answers["/tea"] = answer.replace(b"etag: ?", b'etag: "\xff"')
    await reading.read("/tea")

    (document,) = await reading.read("/tea", cache_s=0.0)

    assert document.text == "Tea is hot."
    assert "if-none-match" not in site.asked[-1].headers


async def test_steps_that_wait_for_a_dead_page_wait_once(reading: Reading, site: Site) -> None:
    """Those that wanted it at once share its failure; one that comes later tries again."""
    waiting = anyio.Event()

    async def failing(client: ByteStream) -> None:
        await waiting.wait()
        await client.send(reply("", status="500 Internal Server Error"))

    site.answers["/tea"] = failing

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(reading.read, "/tea")
        await site.visited.wait()
        while gate(f"page {site.url('/tea')}").waiting < 4:
            await anyio.lowlevel.checkpoint()
        waiting.set()

    assert site.paths() == ["/tea"]
    site.answers["/tea"] = HOT
    assert len(await reading.read("/tea")) == 1
