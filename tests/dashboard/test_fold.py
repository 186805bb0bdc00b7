"""
The fold of the page, held against logs that a real system wrote and against what Python makes of the same.

Two programs that were written apart fold one log; where they agree about states, attempts, times and counts, both are
right or wrong in the same way.
"""

import json
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.events.log import StoredEvent
from app.metrics.figures import TaskMetrics
from app.metrics.task_metrics import fold

HERE = Path(__file__).parent
MODULES = HERE.parent.parent / "app" / "static" / "js"
LOGS = sorted((HERE / "golden").glob("*.ndjson"))

Told = dict[str, Any]


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no node in CI")
        pytest.skip("no node")
    return found


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's modules where node takes them for such."""
    folder = tmp_path_factory.mktemp("modules") / "js"
    shutil.copytree(MODULES, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run(node: str, program: str, *arguments: Path) -> str:
    done = subprocess.run(
        [node, str(HERE / program), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(node: str, modules: Path) -> dict[str, Told]:
    """What the page makes of each log, by the log's name."""
    results = json.loads(run(node, "folded.mjs", modules, *LOGS))
    return {log.stem: result for log, result in zip(LOGS, results, strict=True)}


def events_of(log: Path) -> list[Told]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def figures_of(log: Path) -> TaskMetrics:
    return fold(StoredEvent(seq, 1, line) for seq, line in enumerate(log.read_bytes().splitlines(), 1))


stories = pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)


@stories
def test_a_view_is_exactly_the_log(told: dict[str, Told], log: Path) -> None:
    """Every event once, 1 to n; one that was seen, and one that leaves a gap, change nothing."""
    view = told[log.stem]

    assert view["refused"] == []
    assert view["seq"] == view["events"] == len(events_of(log))


@stories
def test_the_page_and_python_agree(told: dict[str, Told], log: Path) -> None:
    """State, steps, attempts, times and counts."""
    view, figures = told[log.stem], figures_of(log)

    assert view["status"] == figures.status
    assert view["wall"] == figures.timing.wall_ms
    assert [(s["step_id"], s["agent"], s["status"], len(s["attempts"]), s["busy"]) for s in view["steps"]] == [
        (s.step_id, s.agent, s.status, s.attempts, s.busy_ms) for s in figures.per_step
    ]
    counts = figures.steps
    assert view["counts"]["retries"] == counts.retries
    assert view["counts"]["deferrals"] == counts.deferrals
    assert view["counts"]["redeliveries"] == counts.redeliveries
    assert view["citations"] == figures.citations.model_dump()
    assert view["sources"] == figures.retrieval.passages


@stories
def test_the_spans_of_a_step_follow_each_other_without_a_hole(told: dict[str, Told], log: Path) -> None:
    """From the moment it was queued to its end, and none is left open; what is drawn stays within the picture."""
    for step in told[log.stem]["steps"]:
        spans = step["spans"]
        assert all(span["to"] is not None and span["to"] >= span["from"] for span in spans)
        ended = {attempt["ended"] for attempt in step["attempts"]}
        for before, after in pairwise(spans):
            assert after["from"] == before["to"] or before["to"] in ended
        assert all(p["left"] >= 0 and p["left"] + p["width"] <= 100.001 for p in step["pieces"])
        runs = [span for span in spans if span["kind"] == "run"]
        assert [(run["from"], run["to"]) for run in runs] == [(a["started"], a["ended"]) for a in step["attempts"]]


@stories
def test_texts_join_and_every_event_has_a_line(told: dict[str, Told], log: Path) -> None:
    """The pieces of the last attempt, in order; and something to read for all but types that need no word."""
    for text in told[log.stem]["texts"]:
        pieces = [e["data"] for e in events_of(log) if e["type"] == "output.delta"]
        assert text["text"] == "".join(p["text"] for p in pieces if p["artifact"] == text["name"])
        assert text["done"]
    for event, line in zip(events_of(log), told[log.stem]["lines"], strict=True):
        assert line or event["type"] in ("task.resumed", "task.paused", "task.cancelled"), event


def test_each_story_shows_what_it_is_about(told: dict[str, Told]) -> None:
    """A lost attempt, a backoff, a delay of a provider, a pause, kept results, added steps, a second run."""

    def kinds(name: str) -> set[str]:
        return {piece["name"] for step in told[name]["steps"] for piece in step["pieces"]}

    assert "run lost" in kinds("redelivered")
    assert {"backoff", "deferred", "run retrying", "run completed"} <= kinds("retries")
    assert "held" in kinds("paused")
    assert "run cancelled" in kinds("cancelled")
    assert told["retried"]["runs"] == 2
    assert told["retried"]["troubles"] == 1
    assert told["forked"]["stepCounts"] == {"completed": 3}
    assert [step["deps"] for step in told["growth"]["steps"]] == [[], [1, 3, 4], [1], [1]]
    assert told["expired"]["status"] == "expired"


def test_modules_without_a_page_keep_their_promises(node: str, modules: Path) -> None:
    """Places in JSON, snippets, layout, quotes, groups, numbers: see units.mjs."""
    assert run(node, "units.mjs", modules) == "all hold\n"
