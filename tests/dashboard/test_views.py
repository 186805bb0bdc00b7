"""The other views, and what holds for all: keys, strangers' texts, keyboards, readers of screens, small screens."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import redis
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.access.keyring import Keyring
from app.access.principal import Scope
from app.keys import Keys
from app.local_redis import LocalServer
from tests.dashboard.conftest import WAIT_MS, Open, becomes, prepared, running
from tests.dashboard.record import ended, kinds, steps
from tests.dashboard.test_task_page import state
from tests.deployment import Stack, wait_for
from tests.integration.api.test_llm_planning import draft
from tests.llm_script import writes
from tests.unit.scripted_server import serving

pytestmark = pytest.mark.full

SIZES = {"phone": (375, 740), "tablet": (820, 1180), "laptop": (1280, 800), "wide": (1920, 1080)}
HOSTILE = "\n".join(
    [
        "# <img src=x onerror=alert(1)>",
        "<script>alert(2)</script><iframe src='//evil.example/frame'></iframe><svg onload=alert(3)>",
        "![pixel](https://evil.example/pixel.png) ![x](javascript:alert(4))",
        "[click](javascript:alert(5)) [data](data:text/html,<script>alert(6)</script>) [ok](https://good.example/) [1]",
        "[vb](vbscript:x) [tab](java\tscript:alert(7)) [entity](&#106;avascript:alert(8)) <javascript:alert(9)>",
        "<style>@import url(//evil.example/x.css)</style><a href='//evil.example' ping='//evil.example'>a</a>",
        '"><base href="//evil.example/"><form action=//evil.example><input name=q></form>',
        "[ref]: javascript:alert(10)",
        "[ref] &lt;script&gt;alert(11)&lt;/script&gt; `<b>code</b>`",
        "| <b onclick=alert(12)>a</b> | b |\n|-|-|\n| {{constructor.constructor('alert(13)')()}} | ${alert(14)} |",
        ">" * 60 + " deep",
        "\u202egnirts esrever\u202c \ufeff",
    ]
)
FOUND_ELEMENTS = (
    "script:not([src*='/static/']):not([type=importmap]), iframe, img, object, embed, form, style, base, svg[onload]"
)


@pytest.fixture(scope="module")
def tasks(stack: Stack) -> dict[str, str]:
    """One task of each kind."""
    plans = {
        "done": steps("flaky", "limited", "scribe"),
        "failed": steps("noop", "hopeless", "noop", hopeless="no hope"),
        "running": steps("flaky", "gated", "noop", gated="never"),
    }
    found = {name: stack.submit(plan, labels={"kind": name, "team": "views"}) for name, plan in plans.items()}
    for name in ("done", "failed"):
        ended(stack, found[name])
    return found


def views(tasks: dict[str, str]) -> dict[str, str]:
    """Every view, by a name, in the state in which it shows the most."""
    running, done, failed = (f"#/tasks/{tasks[name]}" for name in ("running", "done", "failed"))
    return {
        "tasks": "#/tasks", "label": "#/tasks?label=team:views", "nothing found": "#/tasks?q=nosuchword",
        "submit": "#/submit", "running": running,
        "done": done, "failed": failed, "graph": f"{done}?tab=graph", "events": f"{done}?tab=events&event=3",
        "plan": f"{done}?tab=plan", "step": f"{failed}?step=2",
        "queues": "#/queues", "workers": "#/workers", "letters": "#/dead-letters",
        "system": "#/system", "lost": "#/nowhere",
    }  # fmt: skip


#: Resolves with the second picture of the view: until then the one before it may be there, which has settled.
GO = """view => location.hash === view || new Promise(resolve => {
  const twice = () => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)));
  addEventListener('hashchange', () => setTimeout(twice), {once: true});
  location.hash = view;
})"""


def settled(page: Page, view: str) -> None:
    """Waits until a view shows what it has."""
    page.evaluate(GO, view)
    expect(page.locator("main h1, dialog h2").first).to_be_visible()
    expect(page.locator("main [role=status]").filter(has_text="…")).to_have_count(0)
    if view == "#/submit":
        page.get_by_label("What do you want to know").fill("Compare how redis and dramatiq handle retries")
        expect(page.locator(".node").first).to_be_visible()
        page.get_by_text("Options").click()


# --- Strangers' texts


def test_no_text_of_a_stranger_becomes_anything_but_text(stack: Stack, open_page: Open) -> None:
    """In reports, events, sources, steps, labels and lists: no element, no script, no request, no dangerous link."""
    body = {"task": HOSTILE, "labels": {"x": "<img src=x onerror=alert(1)>"}}
    plan = [{"step_id": 1, "agent": "echo", "payload": HOSTILE, "reason": HOSTILE[:300]}]
    task_id = ended(stack, stack.submit(plan, **body))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    state(page, "completed")
    expect(page.locator(".markdown")).to_contain_text("alert(2)")
    page.locator(".cite").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("alert(2)")

    for view, sign in {
        f"#/tasks/{task_id}": page.locator(".markdown"),
        f"#/tasks/{task_id}?step=1": page.get_by_role("dialog").get_by_text("Step 1: echo"),
        f"#/tasks/{task_id}?tab=events&event=6": page.get_by_label("JSON of event 6"),
        "#/tasks": page.locator("tbody tr").first,
    }.items():
        page.goto(f"{stack.url}/{view}")
        expect(sign).to_be_visible()
        expect(page.locator("main")).to_contain_text("onerror=alert(1)")
        assert page.locator(FOUND_ELEMENTS).count() == 0
        links = page.eval_on_selector_all("main a[href]", "all => all.map(a => a.getAttribute('href'))")
        assert [link for link in links if not re.match(r"#/|https?://|mailto:", link)] == []
    page.goto(f"{stack.url}/#/tasks/{task_id}?step=1")
    page.get_by_text("What it left behind").click()
    expect(page.get_by_label("Data of the step")).to_contain_text("alert(2)")


# --- Keys


@pytest.fixture(scope="module")
def guarded(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, dict[str, str]]]:
    """A system that asks for keys, and one of each scope."""
    with running(tmp_path_factory.mktemp("guarded"), redis_url, STEPSTREAM_AUTH="required") as stack:
        with redis.Redis.from_url(redis_url, protocol=2) as client:
            ring = Keyring(client, Keys(stack.environment["STEPSTREAM_NAMESPACE"]))
            wanted = {
                "reader": [Scope.READ],
                "submitter": [Scope.READ, Scope.SUBMIT],
                "admin": [Scope.ADMIN],
                "blind": [Scope.SUBMIT],
            }
            keys = {name: ring.create(tenant="mine", scopes=s, name=name)[0].text for name, s in wanted.items()}
        yield stack, keys


def give_key(page: Page, key: str, keep: str = "memory") -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_label(re.compile(keep)).check()
    page.get_by_role("button", name="Use this key").click()


def submitted(stack: Stack, key: str) -> str:
    reply = httpx2.post(
        f"{stack.url}/run-task", headers={"Authorization": f"Bearer {key}"},
        json={"task": "Read me", "plan": steps("hopeless", hopeless="never")}, timeout=60,
    )  # fmt: skip
    task_id: str = reply.json()["task_id"]
    return task_id


def test_a_key_is_asked_for_and_kept_where_its_owner_says(
    guarded: tuple[Stack, dict[str, str]], open_page: Open
) -> None:
    """In memory it is gone after a reload, in the tab's storage it is not; it is never in an address."""
    stack, keys = guarded
    page = open_page(stack.url)
    expect(page.get_by_role("dialog")).to_contain_text("This server asks for a key")
    give_key(page, "sk_wrong")
    # Asked again, in a dialog of its own.
    expect(page.get_by_role("dialog")).not_to_contain_text("This server asks for a key")
    expect(page.get_by_role("dialog").get_by_label("Key", exact=True)).to_have_value("")
    give_key(page, keys["reader"])
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.reload()
    give_key(page, keys["reader"], keep="session storage")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()

    assert keys["reader"] not in page.url
    assert page.evaluate("JSON.stringify(localStorage)").count("sk_") == 0
    page.get_by_role("button", name="reader").click()
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("dialog")).to_contain_text("asks for a key")
    becomes(lambda: page.evaluate("sessionStorage.length"), 0)


def test_a_key_that_may_only_read_sees_no_buttons(guarded: tuple[Stack, dict[str, str]], open_page: Open) -> None:
    """Neither to submit nor to steer, nor the views of operators; one that may submit sees the first two."""
    stack, keys = guarded
    task_id = submitted(stack, keys["submitter"])
    seen = {"reader": (0, 0, 1), "submitter": (3, 1, 1), "admin": (3, 1, 5)}
    for name, (acts, new, offered) in seen.items():
        page = open_page(stack.url, f"#/tasks/{task_id}")
        give_key(page, keys[name])
        state(page, "failed")
        expect(page.get_by_role("navigation", name="Views").get_by_role("link")).to_have_count(offered)
        expect(page.get_by_role("button", name=re.compile("Retry|Fork|Delete|Cancel|Pause"))).to_have_count(acts)
        expect(page.get_by_role("link", name="New task")).to_have_count(new)
        page.goto(f"{stack.url}/#/queues")


def test_a_key_that_may_not_read_is_told_so(guarded: tuple[Stack, dict[str, str]], open_page: Open) -> None:
    """And another one can be given."""
    stack, keys = guarded
    page = open_page(stack.url)
    give_key(page, keys["blind"])
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Use another key").click()
    give_key(page, keys["reader"])
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


# --- The list


def test_the_list_follows_what_happens_and_its_filters_stand_in_the_address(stack: Stack, open_page: Open) -> None:
    """A task that is submitted appears, and ends, by itself; state, words and label survive a reload."""
    page = open_page(stack.url, "#/tasks?label=run:list")
    expect(page.get_by_text("No task matches.")).to_be_visible()
    task_id = stack.submit(steps("gated", gated="list"), task="Look at zebras", labels={"run": "list"})
    stack.submit(steps("noop"), task="Look at lions", labels={"run": "list"})

    expect(page.locator("tbody tr")).to_have_count(2)
    row = page.locator("tbody tr").filter(has_text="zebras")
    expect(row.locator(".badge")).to_have_text("running")
    (stack.folder / "list").touch()
    expect(row.locator(".badge")).to_have_text("completed")
    page.get_by_label("Search by words").fill("ZEBRAS look")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=re.compile("^completed")).click()
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("status=completed"))
    expect(page).to_have_url(re.compile("q=ZEBRAS"))
    page.locator("tbody tr").get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(task_id))


def test_pages_of_the_list_hold_every_task_once(stack: Stack, open_page: Open) -> None:
    """By the cursor of the API, forth and back to the newest."""
    body = {"task": "Do it", "plan": steps("noop"), "labels": {"run": "pages"}}
    with httpx2.Client(base_url=stack.url, timeout=60) as api:
        known = {api.post("/run-task", json=body).json()["task_id"][-12:] for _ in range(120)}
    page = open_page(stack.url, "#/tasks?label=run:pages")
    seen: list[str] = []
    for size in (50, 50, 20):
        expect(page.locator("tbody tr")).to_have_count(size)
        seen += page.locator("tbody .sub code").all_inner_texts()
        older = page.get_by_role("link", name="Older")
        if older.count():
            older.click()
            expect(page.get_by_text(seen[-1])).to_have_count(0)

    assert len(seen) == 120
    assert set(seen) == known
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("tbody .sub code").first).to_have_text(seen[0])


def test_an_outage_is_told_and_what_was_there_stays(
    own_redis: Callable[[], LocalServer], tmp_path: Path, open_page: Open
) -> None:
    """With Redis away the list says that it may be old; when it is back, the list is live again by itself."""
    server = own_redis()
    stack = prepared(tmp_path, server.url, "outage")
    stack.api()
    try:
        stack.submit(steps("noop"), task="Stay in sight")
        page = open_page(stack.url, "#/tasks")
        expect(page.get_by_text("Stay in sight")).to_be_visible()
        assert server.process
        server.process.kill()
        server.process.wait(10)
        expect(page.locator(".stale")).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_text("Stay in sight")).to_be_visible()
        own_redis()

        expect(page.locator(".stale")).to_have_count(0, timeout=WAIT_MS)
        expect(page.locator(".live")).to_have_text("Live", timeout=WAIT_MS)
    finally:
        stack.stop()


# --- Submitting


def test_an_edited_plan_is_checked_line_by_line_and_run(stack: Stack, open_page: Open) -> None:
    """A slip of the pen and a rule of the server are shown at their lines; what is run is the edited plan."""
    page = open_page(stack.url, "#/submit")
    page.get_by_label("What do you want to know").fill("Say it")
    page.get_by_role("tab", name="JSON").click()
    editor = page.get_by_label("Plan as JSON")
    expect(editor).to_be_enabled()

    editor.fill('[\n  {"step_id": 1, "agent": "noop", "payload": "a"},\n]')
    expect(page.get_by_role("alert")).to_contain_text("Line 3")
    nobody = '{"step_id": 2,\n   "agent": "nobody", "payload": "b"}'
    editor.fill(f'[\n  {{"step_id": 1, "agent": "noop", "payload": "a"}},\n  {nobody}\n]')
    expect(page.get_by_role("alert")).to_contain_text("Line 4")
    expect(page.get_by_role("button", name="Submit")).to_be_disabled()
    editor.fill('[{"step_id": 7, "agent": "noop", "payload": "edited"}]')
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Submit").click()

    state(page, "completed")
    page.get_by_role("tab", name="Plan").click()
    assert json.loads(page.get_by_label("Plan as JSON").inner_text())[0]["payload"] == "edited"


def test_a_language_model_plans_only_when_somebody_asks_it(
    redis_url: str, namespace: str, tmp_path: Path, open_page: Open
) -> None:
    """Not while somebody writes; its plan is shown, and the task tells who made it and what it took."""
    with serving() as model:
        model.answers = [writes(draft())]
        stack = prepared(
            tmp_path, redis_url, namespace, STEPSTREAM_LLM_BASE_URL=f"{model.url}/v1", STEPSTREAM_LLM_MODEL="small"
        )
        stack.api()
        try:
            page = open_page(stack.url, "#/submit")
            page.get_by_label("What do you want to know").fill("Compare tea and coffee on caffeine")
            expect(page.locator(".node")).to_have_count(6)
            page.get_by_text("Options").click()
            page.get_by_label("Planned by").select_option("llm")
            page.get_by_label("What do you want to know").fill("Compare tea and coffee on their caffeine")
            expect(page.get_by_text("A language model plans this")).to_be_visible()
            assert model.asked == []
            page.get_by_role("button", name="Ask for a plan").click()
            expect(page.locator(".node")).to_have_count(4)
            assert len(model.asked) == 1
            page.get_by_role("button", name="Submit").click()

            state(page, "queued")
            expect(page.locator(".facts")).to_contain_text("Tokens")
            page.get_by_role("tab", name="Plan").click()
            expect(page.get_by_role("tabpanel")).to_contain_text("planned by llm")
            assert len(model.asked) == 2
        finally:
            stack.stop()


# --- Operations


def test_a_queue_is_paused_and_resumed(stack: Stack, open_page: Open) -> None:
    """And what waits in it is seen to wait."""
    page = open_page(stack.url, "#/queues")
    card = page.get_by_role("row", name="echo")
    card.get_by_role("button", name="Pause").click()
    expect(card.get_by_text("paused")).to_be_visible()
    task_id = stack.submit(steps("echo"))
    expect(card.locator(".waiting")).to_have_text("1")
    card.get_by_role("button", name="Resume").click()
    expect(card.locator(".waiting")).to_have_text("0")
    ended(stack, task_id)


def test_queues_have_an_hour_behind_them_when_the_page_is_opened(stack: Stack, open_page: Open) -> None:
    """All together, and one by one; what was sampled while nobody looked is there, and any moment can be read."""
    ended(stack, stack.submit(steps("noop")))
    wait_for(lambda: len(stack.get("/queues/history")["times_ms"]) > 1, "no samples")
    page = open_page(stack.url, "#/queues")
    everything = page.get_by_role("region", name="The last hour of all queues")
    expect(everything.get_by_role("img")).to_have_count(6)
    expect(everything.get_by_role("img", name=re.compile(r"^Waiting: now \d+, most \d+"))).to_be_visible()

    everything.locator(".chart-plane").first.hover()
    expect(everything.locator("figcaption").first).to_have_text(re.compile(r"\d\d:\d\d:\d\d \d+$"))
    page.get_by_role("row", name="noop").get_by_role("link", name="noop").click()
    one = page.get_by_role("region", name="The last hour of noop")
    expect(one.get_by_role("img", name=re.compile("^Run, p95: "))).to_be_visible()
    assert "queue=noop" in page.url
    one.get_by_role("link", name="All queues").click()
    expect(everything).to_be_visible()


def test_the_system_tells_of_every_api_process(stack: Stack, open_page: Open, tmp_path: Path) -> None:
    """Not only of the one that answers; and what an operator has to know of Redis."""
    page = open_page(stack.url, "#/system")
    processes = page.get_by_role("region", name="API processes").locator("tbody tr")
    expect(processes).to_have_count(1)
    other = Stack(tmp_path, stack.environment)
    process = other.api()
    try:
        expect(processes).to_have_count(2, timeout=WAIT_MS)
        expect(page.get_by_role("region", name="Redis", exact=True)).to_contain_text("refuses writes")
        process.terminate()
        expect(processes).to_have_count(1, timeout=WAIT_MS)
    finally:
        other.stop()


def test_a_worker_shows_what_it_is_at(stack: Stack, tasks: dict[str, str], open_page: Open) -> None:
    """With a link to the step."""
    page = open_page(stack.url, "#/workers")

    mine = page.locator(f"a[href*='{tasks['running']}']")
    mine.and_(page.get_by_role("link", name="gated, step 2")).click()

    expect(page.get_by_role("dialog")).to_contain_text("Step 2: gated")
    expect(page).to_have_url(re.compile(tasks["running"]))


def test_dead_letters_of_one_error_are_requeued_and_discarded_together(stack: Stack, open_page: Open) -> None:
    """After a question that names the number; tasks that can go on do so."""
    ids = [ended(stack, stack.submit(steps("doomed", doomed="letters"))) for _ in range(3)]
    lost = ended(stack, stack.submit(steps("doomed", doomed="no hope")))
    page = open_page(stack.url, "#/dead-letters?queue=doomed")
    card = page.get_by_role("region", name=re.compile("^doomed"))
    (stack.folder / "letters").touch()
    card.get_by_role("button", name="Requeue 4 letters").click()
    page.get_by_role("dialog").get_by_role("button", name="Requeue 4 letters").click()

    for task_id in ids:
        wait_for(lambda task_id=task_id: stack.get(f"/tasks/{task_id}")["status"] == "completed", "it did not go on")  # type: ignore[misc]
    wait_for(lambda: len(re.findall('"task.failed"', kinds(stack, lost))) == 2, "it was not tried again")
    page.reload()
    card.get_by_role("button", name=re.compile("Discard")).first.click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Discard")).click()
    expect(page.get_by_text("No dead letters.")).to_be_visible()


# --- Everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(stack: Stack, tasks: dict[str, str], open_page: Open, scheme: str) -> None:
    """Names, roles, contrasts; in both themes."""
    page = open_page(stack.url, "#/tasks", color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    for name, view in views(tasks).items():
        settled(page, view)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found] == [], name


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overflows_or_is_cut(stack: Stack, tasks: dict[str, str], open_page: Open, size: str) -> None:
    """No view is wider than the screen; no button, badge or figure has text that does not fit."""
    width, height = SIZES[size]
    page = open_page(stack.url, "#/tasks", viewport={"width": width, "height": height}, reduced_motion="reduce")
    for name, view in views(tasks).items():
        settled(page, view)
        becomes(
            lambda name=name: [name, page.evaluate(WIDER), page.evaluate(CUT), page.evaluate(BEYOND)],
            [name, False, [], []],
        )


WIDER = "document.scrollingElement.scrollWidth > innerWidth"
BEYOND = """
[...document.querySelectorAll('dialog, .dialog-body, .card, .list, .tools, .actions, .facts, header')]
  .map(e => [e.className, e.getBoundingClientRect()]).filter(([, r]) => r.width && (r.left < 0 || r.right > innerWidth))
  .map(([name]) => name)
"""
CUT = """
[...document.querySelectorAll('button, .button, .badge, .chip, .tag, h1, h2, dt, dd, th, figcaption')]
  .filter(e => e.offsetWidth && !e.closest('.node, .log-row, .timeline-row, .virtual, .hidden, .skip'))
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map(e => e.outerHTML.slice(0, 160))
"""


def test_everything_can_be_done_with_the_keyboard(stack: Stack, tasks: dict[str, str], open_page: Open) -> None:
    """From the list to a step and back, with a visible focus all the way; tabs by arrows, Escape closes."""
    page = open_page(stack.url, "#/tasks?label=kind:done")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    focus_on(page, page.locator(".row-link").first)
    page.keyboard.press("Enter")
    state(page, "completed")
    expect(page.locator("#main")).to_be_focused()

    focus_on(page, page.locator(".timeline-row").first)
    becomes(lambda: page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "solid")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Step 1: flaky")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".timeline-row").first).to_be_focused()

    focus_on(page, page.get_by_role("tab", name="Overview"), key="Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Graph")).to_be_focused()
    focus_on(page, page.locator(".node").nth(1))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Step 2: limited")


def focus_on(page: Page, target: object, key: str = "Tab") -> None:
    """Presses a key until the focus is there."""
    for _ in range(60):
        if target.evaluate("e => e === document.activeElement"):  # type: ignore[attr-defined]
            return
        page.keyboard.press(key)
    pytest.fail("the keyboard does not lead there")


# --- Large


def test_a_large_task_is_drawn_in_part(stack: Stack, open_page: Open) -> None:
    """A thousand steps, ten thousand events: the page has the rows in sight, all of it can be reached and searched."""
    plan = [{"step_id": 1, "agent": "chatty", "payload": "9000"}]
    plan += [{"step_id": n, "agent": "noop", "payload": "x", "depends_on": [1]} for n in range(2, 1000)]
    plan.append({"step_id": 1000, "agent": "noop", "payload": "last", "depends_on": [*range(2, 1000)]})
    task_id = stack.submit(plan)
    page = open_page(stack.url, f"#/tasks/{task_id}")
    wait_for(lambda: stack.get(f"/tasks/{task_id}")["status"] == "completed", "it did not end", 600)
    state(page, "completed")

    assert page.locator("*").count() < 2_000
    page.get_by_role("tab", name="Graph").click()
    expect(page.locator(".node")).to_have_count(3)
    page.get_by_role("tab", name=re.compile("Events")).click()
    total = stack.get(f"/tasks/{task_id}")["last_seq"]
    assert total > 10_000
    expect(page.locator(".tools-end .num")).to_have_text(f"{total:,}")
    assert page.locator("*").count() < 2_000
    page.get_by_label("Search the events").fill("part 8765")
    expect(page.locator(".log-row")).to_have_count(1)


def test_the_page_has_no_file_of_its_own(stack: Stack, tmp_path: Path, open_page: Open) -> None:
    """What it remembers is the theme."""
    page = open_page(stack.url)
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.get_by_role("button", name="Colours: auto").click()

    becomes(lambda: page.evaluate("document.documentElement.dataset.theme"), "light")
    becomes(lambda: page.evaluate("Object.keys(localStorage)"), ["stepstream.theme"])
    assert page.context.cookies() == []
    assert list(tmp_path.iterdir()) == []
