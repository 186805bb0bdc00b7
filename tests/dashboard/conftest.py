"""The dashboard in a real Chromium on a real system; what no page may ever do is looked for after every test."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.chromium import FLAGS
from tests.deployment import Stack, deployment, wait_for
from tests.deployment import running as running_api
from tests.e2e.conftest import own_redis

__all__ = ["own_redis"]

SETTINGS = {
    "STEPSTREAM_AGENT_MODULES": "tests.dashboard.agents",
    "STEPSTREAM_PLAN_STEPS_MAX": "1000",
    # No worker is killed here, so none may lose its steps because the machine paused it.
    "STEPSTREAM_LEASE_MS": "120000",
}
#: Machines that run tests are slow at times; nothing here is proven by how long it takes.
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)
#: How many times slower than it is the browser runs: what is read too early shows by it.
SLOWDOWN = float(os.environ.get("STEPSTREAM_TEST_BROWSER_SLOWDOWN", "1"))
#: Runs in every page before anything else does.
WITNESS = """
window.witnessed = [];
addEventListener('securitypolicyviolation', e => window.witnessed.push(`${e.violatedDirective} ${e.blockedURI}`));
for (const name of ['alert', 'confirm', 'prompt']) window[name] = () => window.witnessed.push(name);
"""
#: What the browser says about answers that are refused on purpose.
EXPECTED = ("Failed to load resource",)

Open = Callable[..., Page]


def becomes(read: Callable[[], object], wanted: object) -> None:
    """Waits until what is read of a page is so: what is drawn anew meanwhile is not, for a picture or two."""
    with suppress(AssertionError):
        wait_for(lambda: read() == wanted, "")
    assert read() == wanted


def prepared(folder: Path, redis_url: str, namespace: str, **settings: str) -> Stack:
    """A deployment with the agents of these tests and nothing started."""
    return deployment(folder, redis_url, namespace, **{**SETTINGS, **settings})


@contextmanager
def running(folder: Path, redis_url: str, *, worker: bool = True, **settings: str) -> Iterator[Stack]:
    """Such a deployment with an API and a worker; leaves nothing in Redis."""
    with running_api(folder, redis_url, **{**SETTINGS, **settings}) as stack:
        if worker:
            stack.worker()
        yield stack


@pytest.fixture(scope="package")
def stack(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all tests that kill nothing."""
    with running(tmp_path_factory.mktemp("dashboard"), redis_url) as stack:
        yield stack


# Not for the whole session: while Playwright is there, no other test can have an event loop.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS, timeout=2 * WAIT_MS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a view in a profile of its own; afterwards no strange script has run and nothing foreign was asked."""
    opened: list[tuple[Page, str, list[str]]] = []

    def open_page(url: str, view: str = "", **options: Any) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(WITNESS)
        page, troubles = context.new_page(), list[str]()
        watch(page, url, troubles)
        if SLOWDOWN > 1:
            context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        opened.append((page, url, troubles))
        page.goto(f"{url}/{view}")
        return page

    yield open_page
    for page, _, troubles in opened:
        witnessed = page.evaluate("window.witnessed") or []
        page.context.close()
        assert troubles + witnessed == []


def watch(page: Page, url: str, troubles: list[str]) -> None:
    """Takes note of errors, of words on the console, and of requests to anybody else."""

    def said(kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(EXPECTED):
            troubles.append(text)

    page.on("console", lambda message: said(message.type, message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.on("request", lambda request: None if request.url.startswith(f"{url}/") else troubles.append(request.url))
    page.on("popup", lambda popup: troubles.append(popup.url))
