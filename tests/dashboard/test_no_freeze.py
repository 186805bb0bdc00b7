"""Much of everything: the page keeps up, stays small and loses nothing. Nothing here is proven by how long it takes."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.dashboard.conftest import Open, running
from tests.dashboard.record import ended, lines, steps
from tests.dashboard.test_task_page import state
from tests.deployment import Stack, wait_for

pytestmark = pytest.mark.full

TASKS = 10_000
#: Of those the ones that a worker has still to do.
OPEN = 1_000
STEADY_S = 120
#: As the agent `steady` has it.
STEADY_PER_S = 50
#: Elements of any view, however much it is about.
ELEMENTS_MAX = 2_000
#: The share of the time in which the page's thread does nothing but one long task (over 50 ms, W3C Long Tasks).
BLOCKED_MAX = 0.25
#: What a view may have more or less of from one picture to the next: the rows beyond the end of a log that is followed.
ELEMENTS_SPREAD_MAX = 100
#: What the page may hold of an event that it keeps, per byte of its JSON; measured: 1.5.
BYTES_PER_BYTE_MAX = 2.5
#: Notes long tasks, and the most elements that there were at any picture.
WATCHER = """
(() => {
  const seen = window.seen = {blocked: 0, count: 0, longest: 0, elements: 0, since: performance.now()};
  new PerformanceObserver(list => { for (const {duration} of list.getEntries()) {
    seen.count += 1; seen.blocked += duration; seen.longest = Math.max(seen.longest, duration);
  } }).observe({type: 'longtask'});
  setInterval(() => { seen.elements = Math.max(seen.elements, document.getElementsByTagName('*').length) }, 100);
})()
"""
BURN = "setTimeout(() => { const until = performance.now() + 200; while (performance.now() < until); })"


@pytest.fixture(scope="module")
def crowded(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system with ten thousand tasks, of which a tenth is open, and no worker yet."""
    with running(tmp_path_factory.mktemp("crowded"), redis_url, worker=False) as stack:
        place = (redis_url, stack.environment["STEPSTREAM_NAMESPACE"])
        crowd = [sys.executable, "-m", "tests.dashboard.crowd", *place, str(TASKS), str(OPEN)]
        subprocess.run(crowd, check=True, timeout=300)
        yield stack


@dataclass(frozen=True)
class Mark:
    """How large the page was with so many events."""

    events: int
    heap_bytes: int
    elements: int


def watched(page: Page) -> None:
    page.evaluate(WATCHER)


def unblocked(page: Page) -> None:
    """The page had its thread for itself nearly all of the time, and few elements all of it; the watch was awake."""
    seen = page.evaluate("({...window.seen, ms: performance.now() - window.seen.since})")
    assert seen["blocked"] / seen["ms"] < BLOCKED_MAX, seen
    assert 0 < seen["elements"] < ELEMENTS_MAX, seen
    page.evaluate(BURN)
    page.wait_for_function("count => window.seen.count > count", arg=seen["count"])


def test_ten_thousand_tasks_are_paged_searched_and_followed(crowded: Stack, open_page: Open) -> None:
    """Forth and back, by state and by words, while a thousand of them are done; every chip is right in the end."""
    page = open_page(crowded.url, "#/tasks")
    chips = page.get_by_role("navigation", name="State")
    expect(chips.get_by_role("link", name=re.compile("^all"))).to_contain_text(f"{TASKS:,}")
    watched(page)
    rows = page.locator("tbody tr")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/tasks?" in request.url else None)

    for _ in range(10):
        last = rows.last.locator(".sub code").inner_text()
        page.mouse.wheel(0, 5_000)
        page.get_by_role("link", name="Older").click()
        expect(page.locator("tbody .sub code", has_text=last)).to_have_count(0)
        expect(rows).to_have_count(50)
    chips.get_by_role("link", name=re.compile("^cancelled")).click()
    expect(rows.first).to_contain_text(f"{TASKS - OPEN - 1}")
    page.get_by_label("Search by words").fill(f"zebra {TASKS - OPEN - 100}")
    expect(rows).to_have_count(1)
    page.goto(f"{crowded.url}/#/tasks")
    expect(rows).to_have_count(50)
    asked.clear()
    crowded.worker()
    done = chips.get_by_role("link", name=re.compile("^completed"))
    while done.inner_text().split()[-1] != f"{OPEN:,}":
        page.mouse.wheel(0, 400)
        page.mouse.wheel(0, -400)

    expect(chips.get_by_role("link", name=re.compile("^open"))).to_contain_text("0")
    expect(rows.first.locator(".badge")).to_have_text("completed")
    # Three events of each task at least were told; the list was fetched a few times.
    assert len(asked) < OPEN / 4
    unblocked(page)


def test_fifty_events_a_second_are_followed_for_minutes(stack: Stack, open_page: Open) -> None:
    """The page grows by the log and by nothing else, its elements stay as many, and it has the whole log in the end."""
    count = STEADY_S * STEADY_PER_S
    task_id = stack.submit(steps("steady", steady=str(count)))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    state(page, "running")
    watched(page)
    devtools = page.context.new_cdp_session(page)
    tabs = page.get_by_role("tablist", name="About the task")
    marks: list[Mark] = []
    for part in range(1, 7):
        tabs.get_by_role("tab", name=re.compile("Events" if part > 3 else "Overview")).click()
        if part == 4:
            page.get_by_role("button", name="Follow").click()
        marks.append(Mark(events_of(page, part * count // 7), heap_bytes(devtools), page.locator("*").count()))
    ended(stack, task_id)

    log = lines(stack, task_id)
    expect(page.locator(".tools-end .num")).to_have_text(f"{len(log):,}")
    unblocked(page)
    page.get_by_role("button", name="Copy as lines").click()
    shown = [json.loads(line) for line in page.evaluate("navigator.clipboard.readText()").splitlines()]
    assert [event["seq"] for event in shown] == [*range(1, len(log) + 1)]
    assert shown == [json.loads(line) for line in log]
    first, last = marks[0], marks[-1]
    grown = sum(len(line) for line in log[first.events : last.events])
    assert last.heap_bytes - first.heap_bytes < BYTES_PER_BYTE_MAX * grown, marks
    for same_tab in (marks[:3], marks[3:]):
        elements = [mark.elements for mark in same_tab]
        assert max(elements) - min(elements) <= ELEMENTS_SPREAD_MAX, marks


def events_of(page: Page, at_least: int) -> int:
    """Waits until the page has so many events; how many it has."""
    found = page.get_by_role("tab", name=re.compile("Events")).locator(".chip-count")

    def held() -> int:
        return int(found.inner_text().replace(",", ""))

    wait_for(lambda: held() >= at_least, "the page does not follow", 120)
    return held()


def heap_bytes(devtools: CDPSession) -> int:
    """What the page's scripts hold once everything that nobody needs is gone."""
    devtools.send("HeapProfiler.collectGarbage")
    used: int = devtools.send("Runtime.getHeapUsage")["usedSize"]
    return used
