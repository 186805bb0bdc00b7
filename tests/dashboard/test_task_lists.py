"""The list of tasks: numbers per state, and one action for all that match, in a real browser."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import WAIT_MS, Open, running
from tests.dashboard.record import ended, steer, steps
from tests.dashboard.test_views import focus_on, give_key, guarded, submitted
from tests.deployment import Stack, wait_for

__all__ = ["guarded"]
pytestmark = pytest.mark.full

MANY = 120


@pytest.fixture(scope="module")
def listed(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system of its own, whose numbers are known."""
    with running(tmp_path_factory.mktemp("lists"), redis_url) as stack:
        yield stack


def chip(page: Page, state: str, number: str) -> None:
    """Waits until a state has that number."""
    expect(page.get_by_label("State").get_by_role("link", name=re.compile(f"^{state}"))).to_have_text(
        re.compile(rf"^\s*{state}\s*{number}\s*$")
    )


def result(page: Page, words: str) -> None:
    """Waits until the dialog says what came of it."""
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text(words)
    expect(page.get_by_role("dialog").get_by_role("button", name="Close").last).to_have_text("Close")


def test_every_state_has_its_number_and_its_list(listed: Stack, open_page: Open) -> None:
    """Also those of open tasks, live; a label narrows numbers and list alike."""
    stack, label = listed, {"run": "counts"}
    runs = [stack.submit(steps("gated", gated="counts"), labels=label) for _ in range(2)]
    for task_id in runs:
        wait_for(lambda task_id=task_id: stack.get(f"/tasks/{task_id}")["status"] == "running", "it did not start")  # type: ignore[misc]
    steer(stack, stack.submit(steps("noop"), labels=label, not_before="PT1H"), "pause")
    for n in range(3):
        stack.submit(steps("noop"), labels=label | {"n": str(n)}, not_before="PT1H")
    ended(stack, stack.submit(steps("hopeless", hopeless="never"), labels=label))
    stack.submit(steps("noop"), not_before="PT1H")
    page = open_page(stack.url, "#/tasks?label=run:counts")

    for state, number in {"all": "7", "open": "6", "queued": "3", "running": "2", "paused": "1", "failed": "1"}.items():
        chip(page, state, number)
    for state, number in {"running": 2, "paused": 1, "queued": 3}.items():
        page.get_by_label("State").get_by_role("link", name=re.compile(f"^{state}")).click()
        expect(page.locator("tbody .badge")).to_have_text([state] * number)
    (stack.folder / "counts").touch()
    chip(page, "completed", "2")
    chip(page, "running", "0")
    page.get_by_role("button", name="Remove the filter run:counts").click()
    chip(page, "queued", str(stack.get("/tasks/counts")["queued"]))


def test_all_that_failed_are_retried_after_their_number_was_said(listed: Stack, open_page: Open) -> None:
    """Only those of the filter; with the keyboard alone."""
    stack = listed
    mine = [stack.submit(steps("hopeless", hopeless="bulk"), labels={"run": "retry"}) for _ in range(3)]
    other = stack.submit(steps("hopeless", hopeless="bulk"), labels={"run": "other"})
    for task_id in (*mine, other):
        ended(stack, task_id)
    (stack.folder / "bulk").touch()
    page = open_page(stack.url, "#/tasks?label=run:retry&status=failed")
    button = page.get_by_role("button", name="Retry 3 …")
    expect(button).to_be_visible()
    focus_on(page, button)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 tasks match: failed, label run:retry.")
    focus_on(page, dialog.get_by_role("button", name="Retry 3 tasks"))
    page.keyboard.press("Enter")

    result(page, "3 tasks run again.")
    for task_id in mine:
        wait_for(lambda task_id=task_id: stack.get(f"/tasks/{task_id}")["status"] == "completed", "it did not run")  # type: ignore[misc]
    assert stack.get(f"/tasks/{other}")["status"] == "failed"
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("No task matches.")).to_be_visible()


def test_hundreds_are_cancelled_and_deleted_and_one_that_came_meanwhile_is_not(listed: Stack, open_page: Open) -> None:
    """Stopped in the middle it says how far it came, and goes on; the end says how many it was."""
    stack, label = listed, {"run": "many"}
    body = {"task": "Do it", "plan": steps("noop"), "labels": label, "not_before": "PT1H"}
    with httpx2.Client(base_url=stack.url, timeout=30) as api:
        assert {api.post("/run-task", json=body).status_code for _ in range(MANY)} == {202}
    page = open_page(stack.url, "#/tasks?label=run:many")
    late: list[str] = []

    def between(route: Route) -> None:
        """The first call is made; before the second one a task comes, and somebody says stop."""
        reply = route.fetch(timeout=WAIT_MS)
        if not late:
            late.append(stack.submit(steps("noop"), labels=label, not_before="PT1H"))
            page.get_by_role("dialog").get_by_role("button", name="Stop").evaluate("button => button.click()")
        route.fulfill(response=reply)

    page.route("**/tasks/bulk", between)
    page.get_by_role("button", name=f"Cancel {MANY} open …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("wrong data")
    dialog.get_by_role("button", name=f"Cancel {MANY} tasks").click()
    expect(dialog).to_contain_text("100 tasks cancelled.")
    expect(dialog).to_contain_text("Stopped. The others are as they were.")
    dialog.get_by_role("button", name="Go on").click()
    result(page, f"{MANY} tasks cancelled.")
    dialog.get_by_role("button", name="Close").last.click()
    assert stack.get(f"/tasks/{late[0]}")["status"] == "queued"

    chip(page, "cancelled", str(MANY))
    page.get_by_role("button", name=f"Delete {MANY} ended …").click()
    dialog.get_by_role("button", name=f"Delete {MANY} tasks").click()
    result(page, f"{MANY} tasks deleted.")
    dialog.get_by_role("button", name="Close").last.click()
    chip(page, "all", "1")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_what_was_refused_says_why_and_an_outage_is_bridged(listed: Stack, open_page: Open) -> None:
    """The same call is sent again; tasks that do not allow it are told by their reason, with a way to them."""
    stack = listed
    ids = [ended(stack, stack.submit(steps("hopeless", hopeless="no"), labels={"run": "why"})) for _ in range(2)]
    page = open_page(stack.url, "#/tasks?label=run:why")
    calls: list[str] = []

    def busy(route: Route) -> None:
        calls.append(route.request.post_data or "")
        if len(calls) == 1:
            problem = '{"title": "Unavailable", "detail": "Redis is away.", "status": 503}'
            route.fulfill(status=503, body=problem, headers={"Content-Type": "application/problem+json"})
            return
        outcomes = [{"task_id": task_id, "refused": f"There is no task '{task_id}'."} for task_id in ids]
        route.fulfill(json={"outcomes": outcomes, "next": None})

    page.route("**/tasks/bulk", busy)
    page.get_by_role("button", name="Delete 2 ended …").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 2 tasks").click()

    result(page, "0 tasks deleted, 2 not.")
    assert calls[0] == calls[1]
    expect(page.get_by_role("dialog")).to_contain_text("2 tasks: There is no task.")
    page.get_by_role("dialog").get_by_role("link", name=ids[0][-12:]).click()
    expect(page).to_have_url(re.compile(ids[0]))


def test_who_may_only_read_is_offered_nothing_to_do_to_many(
    guarded: tuple[Stack, dict[str, str]], open_page: Open
) -> None:
    """Who may submit is; nothing is offered where no filter narrows the list."""
    stack, keys = guarded
    submitted(stack, keys["submitter"])
    for name, offered in (("reader", 0), ("submitter", 2)):
        page = open_page(stack.url, "#/tasks?status=failed")
        give_key(page, keys[name])
        expect(page.locator("tbody tr").first).to_be_visible()
        # What can be offered is known with the numbers.
        expect(page.get_by_label("State").locator(".chip-count").first).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("^(Retry|Cancel|Delete)"))).to_have_count(offered)
    page.get_by_role("link", name=re.compile("^all")).click()
    expect(page.get_by_role("button", name=re.compile("^Retry"))).to_have_count(0)


def test_a_task_is_submitted_again_as_it_was_or_changed(listed: Stack, open_page: Open) -> None:
    """Words, documents, labels and the plan are in the form; what is sent is a task of its own."""
    stack, document = listed, {"name": "tea.md", "text": "# Tea\n\nTea is hot."}
    plan = steps("noop", "noop")
    first = ended(stack, stack.submit(plan, task="Brew it", labels={"run": "again"}, inputs={"documents": [document]}))
    page = open_page(stack.url, f"#/tasks/{first}")
    page.get_by_role("link", name="Submit again").click()

    expect(page.get_by_label("What do you want to know")).to_have_value("Brew it")
    expect(page.locator(".files")).to_contain_text("tea.md")
    expect(page.locator(".node")).to_have_count(2)
    expect(page.get_by_text("A deadline or a start that it had is not taken over.")).to_be_visible()
    page.get_by_label("What do you want to know").fill("Brew it again")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("heading", name="Brew it again")).to_be_visible()
    second = page.url.rpartition("/")[2]
    assert second != first
    body = stack.get(f"/tasks/{second}/request")
    assert (body["inputs"]["documents"], body["labels"]) == ([document], {"run": "again"})
    assert [(step["agent"], step["depends_on"]) for step in body["plan"]] == [("noop", []), ("noop", [1])]


def test_documents_that_are_gone_are_to_be_chosen_again(listed: Stack, open_page: Open) -> None:
    """The page says so, and has the rest."""
    stack = listed
    task_id = stack.submit(steps("noop"), task="Brew it", not_before="PT1H")
    page = open_page(stack.url, f"#/tasks/{task_id}")

    def gone(route: Route) -> None:
        if "documents=false" in route.request.url:
            return route.fallback()
        problem = {"title": "Not possible", "detail": "The documents of the task are no longer kept.", "status": 409}
        return route.fulfill(status=409, json=problem)

    page.route("**/request*", gone)
    page.get_by_role("link", name="Submit again").click()
    expect(page.get_by_text("The documents of the task are no longer kept. Choose them again.")).to_be_visible()
    expect(page.get_by_label("What do you want to know")).to_have_value("Brew it")
