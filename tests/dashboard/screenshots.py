"""
Pictures of every view, in both themes and three sizes: `python -m tests.dashboard.screenshots [folder] [view …]`.

The README has one, `done-laptop-light.png`, as `docs/dashboard.png`. They are to be looked at: what does a person want
to know first, is it aligned, can it be read, is it said well?
"""

import math
import shutil
import sys
import tempfile
import time
from pathlib import Path

import redis
from playwright.sync_api import Browser, sync_playwright

from app import local_redis
from app.cli.demo import TASK, write_documents
from app.keys import Keys
from tests.chromium import FLAGS, program
from tests.dashboard.conftest import running
from tests.dashboard.record import ended, steps
from tests.dashboard.test_views import SIZES, settled, views
from tests.deployment import Stack

FOLDER = Path(".stepstream/screenshots")
HOUR_S = 3600


def furnished(stack: Stack) -> dict[str, str]:
    """Tasks of every kind, as a real system has them."""
    files = sorted(write_documents(stack.folder / "documents").glob("*.md"))
    documents = [{"name": file.name, "text": file.read_text()} for file in files]
    for word in (
        "Summarise the release notes of March",
        "Which queue is the slowest?",
        "Check the claims of the draft",
    ):
        stack.submit(steps("noop", "flaky"), task=word, labels={"team": "docs"})
    failed = steps("flaky", "hopeless", "scribe", hopeless="no hope")
    found = {
        "done": stack.submit(task=TASK, inputs={"documents": documents}, labels={"team": "search", "env": "dev"}),
        "failed": stack.submit(failed, task="Find the papers of 2019 and describe them", labels={"team": "papers"}),
        "running": stack.submit(
            steps("flaky", "limited", "scribe", "gated", scribe="x", gated="never"),
            task="Index the crawl and describe it",
        ),
    }
    for _ in range(3):
        ended(stack, stack.submit(failed, task="Find more papers", labels={"team": "papers"}))
    ended(stack, found["done"])
    return found


def lived_through(stack: Stack) -> None:
    """An hour of samples, as the queues of a busy afternoon would leave them: nobody waits that long for a picture."""
    keys, now_ms = Keys(stack.environment["STEPSTREAM_NAMESPACE"]), int(time.time() * 1000)
    with redis.Redis.from_url(stack.environment["REDIS_URL"], protocol=2) as client:
        client.delete(keys.history)
        ended = 0
        for number in range(HOUR_S // 10):
            wave = max(0.0, math.sin(number / 40)) * (1 + 0.3 * math.sin(number * 1.7))
            ended += int(60 + 240 * wave)
            waiting = int(90 * wave**2)
            sample = (
                f"{waiting} {min(8, 1 + waiting)} {waiting * 40} {ended} {20 + waiting * 45} {300 + int(200 * wave)}"
            )
            quiet = f"{number % 7 // 6} {number % 3} 0 {ended // 9} {12 + number % 5} {40 + number % 11}"
            row = {"retriever": sample, "writer": quiet, "analyzer": quiet}
            client.xadd(keys.history, row, id=f"{now_ms - HOUR_S * 1000 + number * 10_000}-0")


def shoot(browser: Browser, stack: Stack, folder: Path, wanted: list[str]) -> None:
    tasks = furnished(stack)
    lived_through(stack)
    for size, (width, height) in SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
            )  # type: ignore[call-overload]
            page = context.new_page()
            page.goto(stack.url)
            for name, view in views(tasks).items():
                if wanted and name not in wanted:
                    continue
                settled(page, view)
                page.screenshot(path=folder / f"{name.replace(' ', '-')}-{size}-{theme}.png")
            context.close()


def main(folder: Path, wanted: list[str]) -> None:
    binary, chromium = local_redis.find_binary(), program()
    if binary is None or chromium is None:
        sys.exit("a Redis server and Chromium are needed")
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="screenshots-"))
    server = local_redis.start_server(binary, home / "redis", appendonly=False)
    try:
        with running(home, server.url) as stack, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
            shoot(browser, stack, folder, wanted)
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER, sys.argv[2:])
