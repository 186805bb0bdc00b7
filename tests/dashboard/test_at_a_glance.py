"""What a person sees without a search: a wide plan, what a task took, the labels there are."""

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest
from playwright.sync_api import Route, expect

from tests.dashboard.conftest import Open, becomes
from tests.dashboard.record import ended, steer, steps
from tests.dashboard.test_pictures import SIDEWAYS, percent
from tests.dashboard.test_task_page import state
from tests.deployment import Stack

pytestmark = pytest.mark.full

PARALLEL = 58


@pytest.fixture(scope="module")
def wide(stack: Stack) -> str:
    """One step, 58 that wait for it, one that waits for all of them."""
    plan = [{"step_id": 1, "agent": "noop", "payload": "first"}]
    plan += [{"step_id": n, "agent": "noop", "payload": "x", "depends_on": [1]} for n in range(2, PARALLEL + 2)]
    plan.append({"step_id": 60, "agent": "noop", "payload": "last", "depends_on": [*range(2, PARALLEL + 2)]})
    return ended(stack, stack.submit(plan))


def test_many_parallel_steps_are_all_in_sight(stack: Stack, wide: str, open_page: Open) -> None:
    """On a laptop, and large enough to be read; on a phone no wider than the screen."""
    page = open_page(stack.url, f"#/tasks/{wide}?tab=graph")
    expect(page.locator(".node")).to_have_count(PARALLEL + 2)
    graph = page.locator(".graph")
    becomes(lambda: graph.evaluate("e => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]"), [0, 0])
    becomes(lambda: percent(page) >= 80, True)
    page.set_viewport_size({"width": 375, "height": 740})
    expect(page.locator(".graph-box .zoom .num")).to_have_text(re.compile(r"6\d %"))
    becomes(lambda: graph.evaluate(SIDEWAYS), 0)


def test_what_a_task_took_does_not_grow_while_it_lies_failed(stack: Stack, open_page: Open) -> None:
    """Header and list say what the API says, however long nobody retried it."""
    task_id = ended(stack, stack.submit(steps("noop", "hopeless", hopeless="rested"), labels={"of": "rested"}))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    state(page, "failed")
    (stack.folder / "rested").touch()
    steer(stack, task_id, "retry")
    ended(stack, task_id)
    view, timing = stack.get(f"/tasks/{task_id}"), stack.get(f"/metrics/{task_id}")["timing"]
    assert timing["rested_ms"] == view["rested_ms"] > 0
    page.goto(f"{stack.url}/#/tasks?label=of:rested")
    took = page.locator("tbody td.num").first
    expect(took).to_have_text(said(timing["wall_ms"]))
    page.goto(f"{stack.url}/#/tasks/{task_id}")
    state(page, "completed")
    expect(page.locator(".facts div").filter(has_text="Took").locator("dd")).to_have_text(said(timing["wall_ms"]))


def test_an_api_of_the_version_before_tells_what_a_task_took(stack: Stack, open_page: Open) -> None:
    """It says nothing of rests, and serves some of the requests while the two are side by side."""
    task_id = ended(stack, stack.submit(steps("noop"), labels={"of": "before"}))
    view = stack.get(f"/tasks/{task_id}")

    def without_rests(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        for task in body["tasks"]:
            del task["rested_ms"]
        route.fulfill(response=answer, json=body)

    page = open_page(stack.url, "#/system")
    page.route(re.compile(r"/tasks\?"), without_rests)
    page.goto(f"{stack.url}/#/tasks?label=of:before")
    expect(page.locator("tbody td.num").first).to_have_text(said(view["finished_ms"] - view["created_ms"]))


def said(ms: int) -> str:
    """As the page writes what took less than a minute; it rounds a half up, which Python does not."""
    if ms < 1000:
        return f"{ms} ms"
    return f"{Decimal(ms / 1000).quantize(Decimal('0.1' if ms < 9950 else '1'), ROUND_HALF_UP)} s"


def test_the_list_offers_the_labels_that_it_has_shown(stack: Stack, open_page: Open) -> None:
    """One that is chosen is used at once, one that is typed with Enter; the keyboard stays there and takes it off."""
    for value in ("blue", "blues"):
        ended(stack, stack.submit(steps("noop"), labels={"hue": value}))
    page = open_page(stack.url, "#/tasks")
    field = page.get_by_label("Filter by a label")
    for value in ("blue", "blues"):
        expect(page.locator(f"datalist option[value='hue:{value}']")).to_have_count(1)
    field.press_sequentially("hue:blues")
    assert "label" not in page.url
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    tag = page.get_by_role("button", name="Remove the filter hue:blues")
    expect(tag).to_be_focused()
    page.keyboard.press("Enter")
    expect(field).to_be_focused()
    # What a choice from the browser's list does.
    field.evaluate("e => { e.value = 'hue:blue'; e.dispatchEvent(new InputEvent('input', {bubbles: true})) }")
    expect(page.get_by_role("button", name="Remove the filter hue:blue", exact=True)).to_be_focused()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("label=hue%3Ablue$"))
