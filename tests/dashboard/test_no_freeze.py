"""Much of everything: the page keeps up, stays small and loses nothing. Nothing here is proven by how long it takes."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Open, running
from tests.dashboard.record import ended, lines, steps
from tests.dashboard.test_task_page import shown_log, state
from tests.deployment import Stack, wait_for

pytestmark = pytest.mark.full

TASKS = 10_000
#: Of those the ones that a worker has still to do.
OPEN = 1_000
STEADY_S = 120
#: For what takes minutes on a quiet machine.
LONG_S = 600
#: As the agent `steady` has it.
STEADY_PER_S = 50
#: Elements of any view, however much it is about.
ELEMENTS_MAX = 2_000
#: The share of the time for which the page's thread had a processor; others that want it make that less. Measured: 0.1.
BUSY_MAX = 0.5
#: What a view may have more or less of from one picture to the next: the rows beyond the end of a log that is followed.
ELEMENTS_SPREAD_MAX = 100
#: What the page may hold of an event that it keeps, per byte of its JSON; measured: 1.5.
BYTES_PER_BYTE_MAX = 2.5
#: Notes the most elements that there were at any picture.
WATCHER = """
window.elements = 0;
setInterval(() => { window.elements = Math.max(window.elements, document.getElementsByTagName('*').length) }, 100);
"""


@pytest.fixture(scope="module")
def crowded(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system with ten thousand tasks, of which a tenth is open, and no worker yet."""
    with running(tmp_path_factory.mktemp("crowded"), redis_url, worker=False) as stack:
        place = (redis_url, stack.environment["STEPSTREAM_NAMESPACE"])
        crowd = [sys.executable, "-m", "tests.dashboard.crowd", *place, str(TASKS), str(OPEN)]
        subprocess.run(crowd, check=True, timeout=LONG_S)
        yield stack


@dataclass(frozen=True)
class Mark:
    """How large the page was with so many events."""

    events: int
    heap_bytes: int
    elements: int


class Watch:
    """How busy the page's thread is from now on, and how much it holds."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(WATCHER)
        self.devtools = page.context.new_cdp_session(page)
        self.devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._began_s, self._busy_s = time.monotonic(), self._busy()

    def _busy(self) -> float:
        """Seconds that all tasks so far had a processor for."""
        found = {one["name"]: one["value"] for one in self.devtools.send("Performance.getMetrics")["metrics"]}
        return float(found["TaskDuration"])

    def heap_bytes(self) -> int:
        """What the page's scripts hold once everything that nobody needs is gone."""
        self.devtools.send("HeapProfiler.collectGarbage")
        used: int = self.devtools.send("Runtime.getHeapUsage")["usedSize"]
        return used

    def end(self) -> None:
        """The page had its thread for itself most of the time, and few elements all of it."""
        busy_s, ms = self._busy() - self._busy_s, time.monotonic() - self._began_s
        assert 0 < busy_s < BUSY_MAX * ms
        assert 0 < self._page.evaluate("window.elements") < ELEMENTS_MAX


def test_ten_thousand_tasks_are_paged_searched_and_followed(crowded: Stack, open_page: Open) -> None:
    """Forth and back, by state and by words, while a thousand of them are done; every chip is right in the end."""
    page = open_page(crowded.url, "#/tasks")
    chips = page.get_by_role("navigation", name="State")
    expect(chips.get_by_role("link", name=re.compile("^all"))).to_contain_text(f"{TASKS:,}")
    watch = Watch(page)
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

    def all_done() -> bool:
        page.mouse.wheel(0, 400)
        page.mouse.wheel(0, -400)
        return done.inner_text().split()[-1] == f"{OPEN:,}"

    wait_for(all_done, "they do not end", LONG_S)
    expect(chips.get_by_role("link", name=re.compile("^open"))).to_have_text(re.compile(r"open\s*0\s*$"))
    expect(rows.first.locator(".badge")).to_have_text("completed")
    # Three events of each task at least were told; the list was fetched much less often, however long that took.
    assert len(asked) < OPEN / 2
    watch.end()


def test_fifty_events_a_second_are_followed_for_minutes(stack: Stack, open_page: Open) -> None:
    """The page grows by the log and by nothing else, its elements stay as many, and it has the whole log in the end."""
    count = STEADY_S * STEADY_PER_S
    task_id = stack.submit(steps("steady", steady=str(count)))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    state(page, "running")
    watch = Watch(page)
    tabs = page.get_by_role("tablist", name="About the task")
    marks: list[Mark] = []
    for part in range(1, 7):
        tabs.get_by_role("tab", name=re.compile("Events" if part > 3 else "Overview")).click()
        if part == 4:
            page.get_by_role("button", name="Follow").click()
        marks.append(Mark(events_of(page, part * count // 7), watch.heap_bytes(), page.locator("*").count()))
    ended(stack, task_id)

    log = lines(stack, task_id)
    expect(page.locator(".tools-end .num")).to_have_text(f"{len(log):,}")
    watch.end()
    shown = shown_log(page)
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

    wait_for(lambda: held() >= at_least, "the page does not follow", LONG_S)
    return held()
