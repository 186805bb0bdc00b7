"""Timeline and graph zoomed and moved with mouse, fingers and keys; groups, the log's filters, a newer version."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import Open, becomes
from tests.dashboard.record import ended, steps
from tests.dashboard.test_task_page import in_sight, state
from tests.dashboard.test_views import SIZES, focus_on
from tests.deployment import Stack, wait_for

pytestmark = pytest.mark.full

LAYERS = ("noop", "flaky", "noop", "noop", "noop", "noop", "noop")
SIDEWAYS = "e => e.scrollWidth - e.clientWidth"


@pytest.fixture(scope="module")
def deep(stack: Stack) -> str:
    """A task of seven layers, of which one takes most of the time."""
    return ended(stack, stack.submit(steps(*LAYERS)))


@pytest.fixture(scope="module")
def large(stack: Stack) -> str:
    """One step, 258 that wait for it, one that waits for all of them."""
    plan = [{"step_id": 1, "agent": "noop", "payload": "first"}]
    plan += [{"step_id": n, "agent": "noop", "payload": "x", "depends_on": [1]} for n in range(2, 260)]
    plan.append({"step_id": 260, "agent": "noop", "payload": "last", "depends_on": [*range(2, 260)]})
    return ended(stack, stack.submit(plan))


def pinch(page: Page, selector: str, factor: float) -> None:
    """Two fingers around the middle of an element, from 60 px apart to `factor` times that."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, apart: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 30)
    for part in range(1, 6):
        touch("touchMove", 30 * (1 + (factor - 1) * part / 5))
    touch("touchEnd", 0)


def fits(page: Page) -> None:
    """The seven steps are there, in the width of their box and large enough to be read."""
    expect(page.locator(".node")).to_have_count(7)
    becomes(lambda: page.locator(".graph").evaluate(SIDEWAYS), 0)
    becomes(lambda: percent(page) >= 80, True)


def percent(page: Page) -> int:
    return int(page.locator(".graph-box .zoom .num").inner_text().removesuffix(" %"))


@pytest.mark.parametrize("size", SIZES)
def test_a_plan_of_many_layers_fits_its_box(stack: Stack, deep: str, open_page: Open, size: str) -> None:
    """On the task's page and before it runs: nothing has to be scrolled sideways, and words can be read."""
    width, height = SIZES[size]
    page = open_page(stack.url, f"#/tasks/{deep}?tab=graph", viewport={"width": width, "height": height})
    fits(page)
    page.goto(f"{stack.url}/#/submit")
    page.get_by_label("What do you want to know").fill("x")
    page.get_by_role("tab", name="JSON").click()
    page.get_by_label("Plan as JSON").fill(str(steps(*LAYERS)).replace("'", '"'))
    page.get_by_role("tab", name="Graph").click()
    fits(page)


def test_the_graph_is_zoomed_and_moved_with_the_mouse(stack: Stack, deep: str, open_page: Open) -> None:
    """Around the pointer; a drag moves it and opens no step, a click does; Fit shows all of it again."""
    page = open_page(stack.url, f"#/tasks/{deep}?tab=graph")
    node = page.locator(".node").nth(3)
    expect(node).to_be_visible()
    before = node.bounding_box()
    assert before
    page.mouse.move(before["x"] + 10, before["y"] + 10)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect(page.locator(".zoom .num")).to_have_text("200 %")
    after = node.bounding_box()
    assert after
    assert after["width"] == pytest.approx(2 * before["width"], abs=2)

    left = scrolled(page)
    page.mouse.move(after["x"] + 60, after["y"] + 40)
    page.mouse.down()
    page.mouse.move(after["x"] + 20, after["y"] - 60, steps=4)
    page.mouse.up()
    wait_for(lambda: scrolled(page) != left, "it is not moved")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Fit").click()
    expect(page.get_by_role("button", name="Fit")).to_have_attribute("aria-pressed", "true")
    node.click()
    expect(page.get_by_role("dialog")).to_contain_text("Step 4")


def scrolled(page: Page) -> object:
    return page.locator(".graph").evaluate("e => [e.scrollLeft, e.scrollTop]")


def test_pictures_are_zoomed_with_the_keyboard(stack: Stack, deep: str, open_page: Open) -> None:
    """Plus, minus and nought; arrows move a timeline that is zoomed."""
    page = open_page(stack.url, f"#/tasks/{deep}?tab=graph", reduced_motion="reduce")
    focus_on(page, page.locator(".graph"))
    for key, text in (("-", r"[67]\d %"), ("0", r"100 %|9\d %"), ("+", r"1[345]\d %")):
        page.keyboard.press(key)
        expect(page.locator(".zoom .num")).to_have_text(re.compile(text))

    page.goto(f"{stack.url}/#/tasks/{deep}")
    state(page, "completed")
    focus_on(page, page.locator(".timeline-row").first)
    first_mark = page.locator(".axis span").first
    expect(first_mark).to_have_text("0")
    for _ in range(3):
        page.keyboard.press("+")
    expect(first_mark).not_to_have_text("0")
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    expect(first_mark).to_have_text("0")
    page.keyboard.press("0")
    expect(page.locator(".timeline")).not_to_have_class(re.compile("zoomed"))


def test_the_timeline_is_zoomed_around_the_pointer_and_dragged(stack: Stack, deep: str, open_page: Open) -> None:
    """What a step took stays what it took; a row that was dragged on is not opened."""
    page = open_page(stack.url, f"#/tasks/{deep}")
    # Until the whole log is read, a run has no end yet.
    state(page, "completed")
    row = page.locator(".timeline-row").nth(1)
    took, runs = row.locator(".timeline-took").inner_text(), row.locator(".span.run")
    bar = runs.last.bounding_box()
    assert bar
    page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + 2)
    page.keyboard.down("Control")
    for _ in range(3):
        page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    # What is asked for is drawn with the next picture.
    wait_for(lambda: (runs.last.bounding_box() or bar)["width"] > 3 * bar["width"], "it is not zoomed")
    larger = runs.last.bounding_box()
    assert larger
    assert larger["x"] < bar["x"] + bar["width"] / 2 < larger["x"] + larger["width"]
    assert row.locator(".timeline-took").inner_text() == took

    y = larger["y"] + 2
    page.mouse.move(bar["x"], y)
    page.mouse.down()
    # Towards what was before: behind the bar the task may be over, and then there is nothing to move to.
    page.mouse.move(bar["x"] + 40, y, steps=4)
    page.mouse.up()
    wait_for(lambda: (runs.last.bounding_box() or larger)["x"] > larger["x"], "it is not dragged")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator(".timeline").get_by_role("button", name="Fit").click()
    becomes(runs.last.bounding_box, bar)


def test_two_fingers_zoom_and_one_scrolls(stack: Stack, deep: str, open_page: Open) -> None:
    """On a phone; the page itself keeps its size."""
    page = open_page(
        stack.url, f"#/tasks/{deep}?tab=graph", viewport={"width": 375, "height": 740}, has_touch=True, is_mobile=True
    )
    expect(page.locator(".node")).to_have_count(7)
    before = percent(page)
    pinch(page, ".graph", 2)
    wait_for(lambda: percent(page) > before, "it is not zoomed")
    assert page.evaluate("visualViewport.scale") == 1
    page.goto(f"{stack.url}/#/tasks/{deep}")
    expect(page.locator(".timeline-row")).to_have_count(7)
    pinch(page, ".timeline", 3)
    expect(page.locator(".timeline")).to_have_class(re.compile("zoomed"))
    assert page.evaluate("visualViewport.scale") == 1


def test_groups_open_into_parts_and_steps(stack: Stack, large: str, open_page: Open) -> None:
    """The keyboard goes on at the first of what has opened, and to the steps themselves."""
    page = open_page(stack.url, f"#/tasks/{large}?tab=graph")
    expect(page.locator(".node")).to_have_count(3)
    group = page.get_by_role("button", name=re.compile("258 . noop"))
    focus_on(page, group)
    page.keyboard.press("Enter")
    expect(page.locator(".node")).to_have_count(5)
    expect(page.locator(".node:focus")).to_contain_text(re.compile("2.101"))
    page.keyboard.press("Enter")
    expect(page.locator(".node")).to_have_count(104)
    expect(page.locator(".node:focus")).to_contain_text("2 noop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Step 2: noop")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close groups").click()
    expect(page.locator(".node")).to_have_count(3)


def test_finished_steps_are_hidden_and_the_address_says_so(stack: Stack, open_page: Open) -> None:
    """In the timeline and in the graph; one that ends goes by itself."""
    task_id = stack.submit(steps("noop", "flaky", "gated", "noop", gated="hidden"))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    expect(page.locator(".timeline-row")).to_have_count(4)
    page.get_by_role("button", name="Hide finished").click()
    expect(page.locator(".timeline-row")).to_have_count(2)
    page.reload()
    expect(page.locator(".timeline-row")).to_have_count(2)
    page.get_by_role("tab", name="Graph").click()
    expect(page.locator(".node")).to_have_count(2)
    (stack.folder / "hidden").touch()
    expect(page.get_by_text("All steps are finished.")).to_be_visible()
    page.get_by_role("button", name="Hide finished").click()
    expect(page.locator(".node")).to_have_count(4)


def test_the_log_is_filtered_by_one_type_and_one_step(stack: Stack, deep: str, open_page: Open) -> None:
    """With a number at each type; the filter stands in the address, together with the others."""
    page = open_page(stack.url, f"#/tasks/{deep}?tab=events")
    page.get_by_label("Type of event").select_option(label="step.retry_scheduled (2)")
    expect(page.locator(".log-row")).to_have_count(2)
    page.get_by_label("Type of event").select_option("step.completed")
    expect(page.locator(".log-row")).to_have_count(7)
    page.get_by_label("Step", exact=True).select_option(label="step 2 flaky")
    expect(page.locator(".log-row")).to_have_count(1)
    page.reload()
    expect(page.locator(".log-row")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"type=step\.completed"))
    expect(page).to_have_url(re.compile("of=2"))
    page.get_by_role("button", name="errors only").click()
    expect(page.get_by_text("No event matches.")).to_be_visible()
    page.get_by_label("Type of event").select_option("")
    expect(page.locator(".log-row")).to_have_count(2)


def test_a_newer_version_is_offered_and_never_taken_unasked(stack: Stack, deep: str, open_page: Open) -> None:
    """As a tab is looked at again; what somebody writes stays until they say so, and "Later" is later."""
    page = open_page(stack.url, "#/submit")
    page.get_by_label("What do you want to know").fill("Half a thou")
    in_sight(page, False)
    in_sight(page, True)
    page.wait_for_load_state("networkidle")
    expect(page.locator(".newer")).to_be_empty()

    def other(route: Route) -> None:
        if route.request.method != "HEAD":
            return route.fallback()
        reply = route.fetch()
        return route.fulfill(response=reply, headers={**reply.headers, "etag": 'W/"another00000"'})

    page.route(f"{stack.url}/", other)
    in_sight(page, False)
    in_sight(page, True)
    expect(page.get_by_role("button", name="Reload")).to_be_visible()
    expect(page.get_by_label("What do you want to know")).to_have_value("Half a thou")
    page.get_by_role("button", name="Later").click()
    expect(page.locator(".newer")).to_be_empty()
    page.goto(f"{stack.url}/#/tasks/{deep}")
    state(page, "completed")
    page.reload()
    in_sight(page, False)
    in_sight(page, True)
    page.get_by_role("button", name="Reload").click()
    state(page, "completed")
    expect(page.locator(".newer")).to_be_empty()
