"""docs/operations.md: its commands exist with these options, its settings too, and alerts find their recipes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from tests.cli_page import commands

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "operations.md"
RECIPES = (
    "queue-is-not-worked-off", "dead-letters", "fenced-writes", "repaired-steps", "delayed-messages-are-late",
    "no-workers", "viewers-lag", "redis-memory", "redis-evicts", "redis-is-away", "api-is-down", "steps-fail",
    "tasks-are-slow", "limits-are-not-counted",
)  # fmt: skip
MINUTES = 10
WORDS_PER_MINUTE = 230


def named() -> Iterator[str]:
    """Every command of ours on the page, in running text and in blocks."""
    text = PAGE.read_text()
    yield from re.findall(r"`(stepstream [^`]+)`", text)
    yield from re.findall(r"^\$ (stepstream .+)$", text, re.MULTILINE)


@pytest.mark.parametrize("line", sorted(set(named())))
def test_every_command_exists_with_its_options(line: str) -> None:
    """Its words are those of a command, and each option is one of its own."""
    words = shlex.split(line)[1:]
    found = {name: command for name, command in commands() if words[: len(name.split())] == name.split()}
    assert found, line
    name = max(found, key=len)
    options = {option for parameter in found[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_setting_exists() -> None:
    """None is named that nobody reads."""
    known = {f"STEPSTREAM_{name.upper()}" for name in Settings.model_fields} | {"STEPSTREAM_URL", "STEPSTREAM_API_KEY"}
    assert set(re.findall(r"STEPSTREAM_[A-Z_]+", PAGE.read_text())) <= known


def test_every_link_within_the_page_leads_somewhere() -> None:
    """And every alert has its recipe."""
    text = PAGE.read_text()
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= titles
    assert set(RECIPES) <= titles


def test_every_metric_it_names_is_documented() -> None:
    """In docs/metrics.md, which is compared with the program."""
    metrics = (ROOT / "docs" / "metrics.md").read_text()
    assert [name for name in re.findall(r"stepstream_[a-z_]+[a-z]", PAGE.read_text()) if name not in metrics] == []


def test_it_is_read_in_ten_minutes() -> None:
    """Who looks for a recipe has no time."""
    assert len(PAGE.read_text().split()) <= MINUTES * WORDS_PER_MINUTE
