"""What the page makes of a stream that misbehaves: a server that is played by hand, with logs that a real one wrote."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import WAIT_MS, Open
from tests.deployment import Stack, wait_for

pytestmark = pytest.mark.full

LOG = (Path(__file__).parent / "golden" / "retries.ndjson").read_text().splitlines()
EVENTS = [json.loads(line) for line in LOG]
END = "event: stream.end\ndata: {}\n\n"
QUICK = "retry: 250\n\n"


def frames(first: int, last: int, half: str = "7") -> str:
    """The frames of some events of the log, by their numbers."""
    return "".join(
        f"id: {n}-{half}\nevent: {EVENTS[n - 1]['type']}\ndata: {LOG[n - 1]}\n\n" for n in range(first, last + 1)
    )


class Played:
    """Answers the requests for a stream one after another; notes where each wanted to go on."""

    def __init__(self, page: Page, *answers: tuple[int, str]) -> None:
        self.positions: list[str | None] = []
        self._answers = list(answers)
        page.context.route(re.compile("/stream/"), self._answer)
        unchanged(page)

    def _answer(self, route: Route) -> None:
        self.positions.append(route.request.headers.get("last-event-id"))
        if not self._answers:
            route.abort()
            return
        status, body = self._answers.pop(0)
        kind = "text/event-stream" if status == 200 else "text/html"
        route.fulfill(status=status, body=body, headers={"Content-Type": kind})


def unchanged(page: Page) -> None:
    """Whoever looks whether a task that has ended runs again is told that nothing is new: no server knows this one."""
    page.context.route(f"**/tasks/{EVENTS[0]['task_id']}", lambda route: route.fulfill(status=304))


def watched(open_page: Open, stack: Stack, *answers: tuple[int, str]) -> tuple[Page, Played]:
    page = open_page(stack.url, "#/tasks/nothing-yet")
    expect(page.get_by_role("alert")).to_be_visible()
    played = Played(page, *answers)
    page.goto(f"{stack.url}/#/tasks/{EVENTS[0]['task_id']}")
    return page, played


def whole(page: Page) -> None:
    """All events are there, and the task has ended."""
    expect(page.locator(".facts .badge").first).to_have_text("completed", timeout=WAIT_MS)
    expect(page.get_by_role("tab", name=re.compile("Events")).locator(".chip-count")).to_have_text(str(len(EVENTS)))


def test_a_proxy_that_answers_502_and_one_that_cuts_off(stack: Stack, open_page: Open) -> None:
    """It comes back to where it was; the first time from the start."""
    page, played = watched(
        open_page, stack,
        (502, "<h1>Bad gateway</h1>"), (200, QUICK + frames(1, 5)), (503, ""),
        (200, QUICK + frames(6, 6) + "id: 7-7\nev"), (200, frames(7, 27) + END),
    )  # fmt: skip

    whole(page)
    assert played.positions == [None, None, "5-7", "5-7", "6-7"]


def test_half_a_log_is_not_shown_as_the_task(stack: Stack, open_page: Open) -> None:
    """A task that has ended would seem to run, and to have failed; the page says that it reads, and how far it is."""
    page = open_page(stack.url, "#/tasks/nothing-yet")
    expect(page.get_by_role("alert")).to_be_visible()
    unchanged(page)
    asked: list[Route] = []
    # Playwright marks what it calls, and a method of a list cannot be marked.
    page.context.route(re.compile("/stream/"), lambda route: asked.append(route))  # noqa: PLW0108
    page.goto(f"{stack.url}/#/tasks/{EVENTS[0]['task_id']}")
    wait_for(lambda: page.evaluate("1") and asked, "nothing was asked for")
    part(asked[0], QUICK + frames(1, 20))
    wait_for(lambda: page.evaluate("1") and len(asked) == 2, "the rest was not asked for")

    reading = page.locator("[aria-busy=true]")
    expect(reading.get_by_role("status")).to_have_text("Reading the log …")
    expect(reading).to_contain_text("20 of 27 events")
    expect(page.locator(".facts, .timeline")).to_have_count(0)
    expect(page).to_have_title(re.compile("^Task "))
    part(asked[1], frames(21, 27) + END)
    whole(page)
    expect(reading).to_have_count(0)


def part(route: Route, body: str) -> None:
    """Answers with some frames of the log, as a server does that has all of it."""
    route.fulfill(body=body, headers={"Content-Type": "text/event-stream", "Last-Seq": str(len(EVENTS))})


def test_events_that_come_twice_count_once_and_a_gap_is_filled(stack: Stack, open_page: Open) -> None:
    """Whatever is sent, what is shown is 1 to n."""
    page, played = watched(
        open_page, stack,
        (200, QUICK + frames(1, 5) + frames(3, 6) + frames(9, 12)), (200, frames(7, 27) + END),
    )  # fmt: skip

    whole(page)
    assert played.positions == [None, "6-7"]


def test_a_hole_that_stays_is_told_and_not_asked_for_without_end(stack: Stack, open_page: Open) -> None:
    """It is asked for once more; then the page says what is missing."""
    page, played = watched(open_page, stack, (200, QUICK + frames(1, 3) + frames(5, 6)), (200, QUICK + frames(5, 6)))

    expect(page.get_by_role("alert")).to_contain_text("Event 4 is missing")
    assert played.positions == [None, "3-7"]


def test_a_log_that_was_rolled_back_is_read_anew(stack: Stack, open_page: Open) -> None:
    """`stream.reset` makes it forget all it had, and the position with it."""
    reset = "event: stream.reset\ndata: {}\n\n"
    page, played = watched(
        open_page, stack,
        (200, QUICK + frames(1, 20)), (200, QUICK + reset + frames(1, 3, half="9")),
        (200, frames(4, 27, half="9") + END),
    )  # fmt: skip

    whole(page)
    assert played.positions == [None, "20-7", "3-9"]


def test_a_stream_that_is_refused_for_good_is_not_asked_for_again(stack: Stack, open_page: Open) -> None:
    """410: the task is no longer kept; the page says so."""
    page, played = watched(open_page, stack, (410, ""))

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator(".live")).to_have_text("No stream")
    assert played.positions == [None]


def test_a_connection_that_has_gone_silent_is_given_up(stack: Stack, open_page: Open) -> None:
    """As one is that outlived a laptop's sleep: nobody ends it, and nothing comes any more."""
    page = open_page(stack.url, "#/tasks/nothing-yet")
    expect(page.get_by_role("alert")).to_be_visible()
    silent: list[Route] = []

    def answer(route: Route) -> None:
        if silent:
            route.fulfill(status=200, body=frames(1, 27) + END, headers={"Content-Type": "text/event-stream"})
        silent.append(route)

    page.context.route(re.compile("/stream/"), answer)
    unchanged(page)
    page.clock.install()
    page.goto(f"{stack.url}/#/tasks/{EVENTS[0]['task_id']}")
    expect(page.locator(".live")).to_have_text("Connecting")
    page.clock.fast_forward("01:00")

    expect(page.locator(".facts .badge").first).to_have_text("completed", timeout=WAIT_MS)
    assert len(silent) == 2


def test_types_that_a_later_version_may_have_are_shown_as_they_are(stack: Stack, open_page: Open) -> None:
    """With their JSON; nothing else is made of them."""
    strange = {**EVENTS[1], "seq": 2, "type": "task.levitated", "data": {"height": [1, None], "reason": {"a": 1}}}
    page, _ = watched(
        open_page, stack, (200, frames(1, 1) + f"id: 2-7\nevent: task.levitated\ndata: {json.dumps(strange)}\n\n")
    )

    page.get_by_role("tab", name=re.compile("Events")).click()
    page.locator(".log-type").get_by_text("task.levitated").click()
    expect(page.get_by_label("JSON of event 2")).to_contain_text("height")
