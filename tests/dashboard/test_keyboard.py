"""A task from its words to its end without a mouse; the keyboard is never lost on the way."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import Open
from tests.dashboard.record import DOCUMENTS, ended, steps
from tests.dashboard.test_task_page import state
from tests.dashboard.test_views import focus_on
from tests.deployment import Stack

pytestmark = pytest.mark.full

HEADING = ".task-title"


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    """Goes there with Tab alone, and presses a key."""
    expect(target).to_be_enabled()
    focus_on(page, target)
    page.keyboard.press(key)


def test_a_task_is_submitted_and_its_citation_opened(stack: Stack, open_page: Open, tmp_path: Path) -> None:
    """From New task to the words in their passage, and back to the citation. Files have a window of the system."""
    files = [tmp_path / document["name"] for document in DOCUMENTS]
    for file, document in zip(files, DOCUMENTS, strict=True):
        file.write_text(document["text"])
    page = open_page(stack.url, "#/tasks")
    press(page, page.get_by_role("link", name="New task"))
    focus_on(page, page.get_by_label("What do you want to know"))
    page.keyboard.type("Compare how redis and dramatiq handle retries")
    page.get_by_label("Documents").set_input_files(files)
    expect(page.locator(".node").first).to_be_visible()
    press(page, page.get_by_role("button", name="Submit", exact=True))
    state(page, "completed")
    expect(page.locator("#main")).to_be_focused()
    cite = page.locator(".cite").first
    press(page, cite)
    expect(page.locator("mark").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(cite).to_be_focused()


def test_what_failed_is_retried(stack: Stack, open_page: Open) -> None:
    """The card goes as the task runs again, and the keyboard stays at the task."""
    task_id = ended(stack, stack.submit(steps("noop", "hopeless", hopeless="by hand")))
    page = open_page(stack.url, f"#/tasks/{task_id}")
    state(page, "failed")
    (stack.folder / "by hand").touch()
    press(page, page.get_by_role("button", name="Retry what failed"))
    state(page, "completed")
    expect(page.locator(HEADING)).to_be_focused()


def test_a_task_is_paused_and_cancelled(stack: Stack, open_page: Open) -> None:
    """Pause gives way to Resume, and a cancelled task has no such button: each time the heading has the keyboard."""
    page = open_page(stack.url, f"#/tasks/{stack.submit(steps('gated', gated='never'))}")
    state(page, "running")
    press(page, page.get_by_role("button", name="Pause"))
    state(page, "paused")
    expect(page.locator(HEADING)).to_be_focused()
    press(page, page.get_by_role("button", name="Cancel …"))
    focus_on(page, page.get_by_role("dialog").get_by_label("Reason"))
    page.keyboard.type("enough")
    press(page, page.get_by_role("dialog").get_by_role("button", name="Stop"))
    state(page, "cancelled")
    expect(page.locator(HEADING)).to_be_focused()
    expect(page.locator(".facts")).to_contain_text(re.compile("Reason.*enough", re.DOTALL))
