"""A task from its submission to its end, through the page: watched, interrupted, steered."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import WAIT_MS, Open, prepared
from tests.dashboard.record import DOCUMENTS, lines, steer, steps
from tests.deployment import Stack, wait_for

pytestmark = pytest.mark.full

LIVE, RECONNECTING, ENDED = "Live", "Reconnecting", "Ended"


def state(page: Page, text: str) -> None:
    """Waits until the header says how the task stands."""
    expect(page.locator(".facts .badge").first).to_have_text(text, timeout=WAIT_MS)


def stream(page: Page, text: str) -> None:
    expect(page.locator(".live")).to_have_text(text, timeout=WAIT_MS)


def shown_log(page: Page) -> list[object]:
    """All events that the page has, as it gives them to who copies them."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("tab", name=re.compile("Events")).click()
    # What lay there before, of another test too, is no answer; that it says "Copied" may be over before it is seen.
    page.evaluate("navigator.clipboard.writeText('')")
    page.get_by_role("button", name="Copy as lines").click()
    wait_for(lambda: page.evaluate("navigator.clipboard.readText()"), "nothing was copied")
    return [json.loads(line) for line in page.evaluate("navigator.clipboard.readText()").splitlines()]


def real_log(stack: Stack, page: Page) -> list[object]:
    task_id = page.url.split("#/tasks/")[1].partition("?")[0]
    return [json.loads(line) for line in lines(stack, task_id)]


def test_from_a_question_to_a_report_whose_citations_open(stack: Stack, open_page: Open, tmp_path: Path) -> None:
    """Words and documents go in, the plan shows before it runs, and a citation leads to the words in their passage."""
    files = [tmp_path / document["name"] for document in DOCUMENTS]
    for file, document in zip(files, DOCUMENTS, strict=True):
        file.write_text(document["text"])
    page = open_page(stack.url, "#/submit")

    page.get_by_label("What do you want to know").fill("Compare how redis and dramatiq handle retries")
    page.get_by_label("Documents").set_input_files(files)
    expect(page.locator(".node")).to_have_count(6)
    page.get_by_role("button", name="Submit").click()

    state(page, "completed")
    stream(page, ENDED)
    expect(page.locator(".markdown h2").first).to_contain_text("retries")
    page.locator(".cite").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Source")
    expect(page.locator("mark").first).to_be_visible()
    assert page.locator("mark").first.inner_text() in " ".join(document["text"] for document in DOCUMENTS)
    page.keyboard.press("Escape")
    assert shown_log(page) == real_log(stack, page)


def test_nothing_is_lost_or_repeated_when_connections_break(
    redis_url: str, namespace: str, tmp_path: Path, open_page: Open
) -> None:
    """The network goes away, then the API is killed and comes back: the page says so and has the log, 1 to n."""
    stack = prepared(tmp_path, redis_url, namespace)
    api = stack.api()
    stack.worker()
    try:
        task_id = stack.submit(steps("gated", "flaky", "scribe", gated="one", scribe="wait"))
        page = open_page(stack.url, f"#/tasks/{task_id}")
        stream(page, LIVE)
        page.context.set_offline(True)
        (tmp_path / "one").touch()
        page.context.set_offline(False)
        expect(page.locator(".writing")).to_contain_text("each of them was looked at twice")

        stack.kill(api)
        stream(page, RECONNECTING)
        (tmp_path / "written").touch()
        stack.api()

        stream(page, ENDED)
        state(page, "completed")
        log = shown_log(page)
        assert [event["seq"] for event in log] == list(range(1, len(log) + 1))  # type: ignore[index]
        assert log == real_log(stack, page)
    finally:
        stack.stop()


def test_a_tab_that_nobody_looks_at_gives_its_connection_back(stack: Stack, open_page: Open) -> None:
    """A browser has six for all tabs; looked at again, the page goes on where it was."""
    task_id = stack.submit(steps("gated", "scribe", gated="out-of-sight"))
    page = open_page(stack.url, "#/tasks/nothing-yet")
    expect(page.get_by_role("alert")).to_be_visible()
    page.clock.install()
    page.goto(f"{stack.url}/#/tasks/{task_id}")
    stream(page, LIVE)

    in_sight(page, False)
    page.clock.fast_forward("00:31")
    expect(page.locator(".live")).to_have_attribute("title", "Nobody looks at this tab.")
    page.clock.fast_forward("05:00")
    expect(page.locator(".live")).to_have_attribute("title", "Nobody looks at this tab.")
    (stack.folder / "out-of-sight").touch()
    in_sight(page, True)

    state(page, "completed")
    stream(page, ENDED)
    assert shown_log(page) == real_log(stack, page)


def in_sight(page: Page, seen: bool) -> None:
    """Makes the page believe that its tab has come into sight, or has gone out of it."""
    page.evaluate(
        """seen => {
          const say = (name, value) => Object.defineProperty(document, name, { value, configurable: true });
          say('hidden', !seen);
          say('visibilityState', seen ? 'visible' : 'hidden');
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        seen,
    )


def test_a_failure_explains_itself_and_is_retried(stack: Stack, open_page: Open) -> None:
    """Error, attempts and input are on the card; the retry goes on in the same log, in the same page."""
    task_id = stack.submit(steps("noop", "hopeless", "noop", hopeless="page-hope"))
    page = open_page(stack.url, f"#/tasks/{task_id}")

    state(page, "failed")
    card = page.get_by_role("region", name="Failure")
    expect(card).to_contain_text("The index `papers` does not exist; create it first.")
    expect(card.get_by_role("row")).to_have_count(2)
    card.get_by_text("What the step was given").click()
    expect(card.get_by_label("Input of the step")).to_have_text("page-hope")
    (stack.folder / "page-hope").touch()
    card.get_by_role("button", name="Retry what failed").click()

    state(page, "completed")
    expect(card).to_have_count(0)
    assert shown_log(page) == real_log(stack, page)


def test_a_task_is_paused_resumed_and_cancelled_with_a_reason(stack: Stack, open_page: Open) -> None:
    """Each button does what it says, and the page follows by events alone."""
    task_id = stack.submit(steps("gated", "noop", gated="never"))
    page = open_page(stack.url, f"#/tasks/{task_id}")

    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    page.get_by_role("button", name="Resume").click()
    state(page, "running")
    page.get_by_role("button", name="Cancel …").click()
    page.get_by_label("Reason").fill("enough of it")
    page.get_by_role("button", name="Stop").click()

    state(page, "cancelled")
    expect(page.locator(".facts")).to_contain_text("enough of it")
    assert stack.get(f"/tasks/{task_id}")["status"] == "cancelled"


def test_a_task_is_finished_with_what_there_is(stack: Stack, open_page: Open) -> None:
    """What still gathers is cut short, the rest runs, and the report is there."""
    task_id = stack.submit(steps("noop", "gated", "scribe", gated="never"))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    expect(page.get_by_role("list", name="Running now")).to_contain_text("gated")

    page.get_by_role("button", name="Cancel …").click()
    page.get_by_role("radio", name=re.compile("Finish now")).check()
    page.get_by_role("button", name="Finish now").click()

    state(page, "completed")
    stream(page, ENDED)
    expect(page.locator(".facts")).to_contain_text("partial")
    expect(page.locator(".markdown")).to_contain_text("each of them was looked at twice")
    assert shown_log(page) == real_log(stack, page)


def test_a_step_is_run_again_in_a_fork(stack: Stack, open_page: Open) -> None:
    """From a step's panel; what came before it is taken over, and the page shows the new task."""
    task_id = stack.submit(steps("noop", "flaky", "noop"))
    page = open_page(stack.url, f"#/tasks/{task_id}?step=3")
    state(page, "completed")

    page.get_by_role("button", name="Fork from here").click()

    expect(page.get_by_text("Forked from")).to_be_visible()
    state(page, "completed")
    expect(page.locator(".timeline-took").get_by_text("kept")).to_have_count(2)


def test_an_edited_plan_is_run_as_a_fork(stack: Stack, open_page: Open) -> None:
    """What is wrong stands at its line; what is the same keeps its result."""
    task_id = stack.submit(steps("noop", "flaky", "noop"))
    page = open_page(stack.url, f"#/tasks/{task_id}?tab=plan")
    state(page, "completed")

    page.get_by_role("button", name="Edit and fork").click()
    editor = page.get_by_label("Plan as JSON")
    plan = json.loads(editor.input_value())
    plan[2]["agent"] = "nobody"
    editor.fill(json.dumps(plan, indent=2))
    page.get_by_role("button", name="Run as a fork").click()
    expect(page.get_by_role("alert").filter(has_text="Line")).to_be_visible()
    plan[2] |= {"agent": "noop", "payload": "other words"}
    editor.fill(json.dumps(plan, indent=2))
    page.get_by_role("button", name="Run as a fork").click()

    expect(page.get_by_text("Forked from")).to_be_visible()
    state(page, "completed")
    expect(page.locator(".timeline-took").get_by_text("kept")).to_have_count(2)


def test_a_task_that_somebody_else_has_run_again_goes_on(stack: Stack, open_page: Open) -> None:
    """A page that has seen the end looks now and then whether it was the end."""
    task_id = stack.submit(steps("hopeless", hopeless="elsewhere"))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    state(page, "failed")
    stream(page, ENDED)

    (stack.folder / "elsewhere").touch()
    steer(stack, task_id, "retry")

    state(page, "completed")


def test_every_attempt_has_its_bar_and_what_lay_between_shows(stack: Stack, open_page: Open) -> None:
    """Failed tries, the delay before the next, the try that worked, the provider that asked for patience."""
    task_id = stack.submit(steps("flaky", "limited"))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    state(page, "completed")

    rows = page.locator(".timeline-item")
    expect(rows.nth(0).locator(".span.run.retrying")).to_have_count(2)
    expect(rows.nth(0).locator(".span.run.completed")).to_have_count(1)
    expect(rows.nth(0).locator(".span.backoff")).to_have_count(2)
    expect(rows.nth(1).locator(".span.deferred")).to_have_count(1)
    rows.nth(0).get_by_role("button").click()
    expect(page.get_by_role("dialog").get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("dialog")).to_contain_text("the search service answered 503")


def test_a_task_with_a_start_says_when(stack: Stack, open_page: Open) -> None:
    """It waits for nobody but the clock, and the page names no other reason."""
    task_id = stack.submit(steps("noop"), not_before="PT2H")
    page = open_page(stack.url, f"#/tasks/{task_id}")

    expect(page.locator(".facts")).to_contain_text(re.compile(r"Starts\s*in (2 h|1 h 5\d m)"))
    expect(page.locator(".timeline-item .span.scheduled")).to_have_count(1)
    expect(page.get_by_role("list", name="Legend")).to_have_text("starts later")


def test_a_task_that_is_not_there_says_so(stack: Stack, open_page: Open) -> None:
    """Neither a blank page nor a wait without end."""
    page = open_page(stack.url, "#/tasks/nothing")

    expect(page.get_by_role("alert")).to_contain_text("No such task")


def test_the_filters_of_the_log_stand_in_the_address(stack: Stack, open_page: Open) -> None:
    """Errors only, kinds, words: they survive a reload, and an event's JSON is what the server has."""
    task_id = stack.submit(steps("flaky"))
    page = open_page(stack.url, f"#/tasks/{task_id}?tab=events")
    state(page, "completed")

    page.get_by_role("button", name="errors only").click()
    expect(page.locator(".log-row")).to_have_count(2)
    page.reload()
    expect(page.locator(".log-row")).to_have_count(2)
    page.locator(".log-row").first.click()
    event = json.loads(page.get_by_label(re.compile("JSON of event")).inner_text())
    assert event in real_log(stack, page)
