"""A plan of several parts of which one fails: the report is written without it, and says so."""

import pytest

from actors.agent import Permanent
from actors.testing import run_agent
from app.model.agents import StepOutput
from app.model.plan import Intent
from app.model.task import Document

DOCUMENTS = [
    Document(name="redis.md", text="# Redis\n\nRedis keeps its jobs in memory. Redis writes a log of jobs to disk."),
    Document(name="kafka.md", text="# Kafka\n\nKafka writes its jobs to disk. Kafka deletes jobs after a week."),
]
ASKED = {"text": "Compare Redis and Kafka on jobs", "intent": Intent.COMPARISON, "subjects": ["Redis", "Kafka"]}


def branch(subject: str) -> StepOutput:
    """What the analysis of one part left."""
    found = run_agent("retriever", f"{subject} jobs", documents=DOCUMENTS).output
    return run_agent("analyzer", f"{subject}: jobs", inputs={1: found}).output


def test_a_part_that_failed_is_missing_in_the_report_by_its_name() -> None:
    """The merge knows its subjects in the order of its dependencies; the writer prints what it could not use."""
    merged = run_agent("analyzer", ASKED, inputs={3: branch("Redis")}, missing=[4]).output
    report = run_agent("writer", ASKED, inputs={5: merged}, task=ASKED["text"]).output

    assert "keeps its jobs in memory" in (report.text or "")
    assert "**Kafka**: could not be worked on: its steps failed or did not run." in (report.text or "")
    assert "**Redis**: could not" not in (report.text or "")


def test_a_part_that_was_found_after_all_is_not_missing() -> None:
    """Its own steps failed; those that looked once more did not."""
    merged = run_agent("analyzer", ASKED, inputs={3: branch("Redis")}, missing=[4]).output
    found = run_agent("retriever", "Kafka jobs", documents=DOCUMENTS).output
    late = run_agent("analyzer", {**ASKED, "follow_ups": 0}, inputs={7: found})
    report = run_agent("writer", ASKED, inputs={5: merged, 8: late.output}, task=ASKED["text"]).output

    assert "writes its jobs to disk" in (report.text or "")
    assert "could not be worked on" not in (report.text or "")


def test_where_nothing_is_left_the_task_fails_with_a_sentence_about_it() -> None:
    """A merge without a single part has nothing to set side by side."""
    with pytest.raises(Permanent, match="nothing to work on: steps 3, 4 failed or did not run") as raised:
        run_agent("analyzer", ASKED, missing=[3, 4])

    assert raised.value.code == "no_evidence"


def test_the_part_of_a_failed_search_is_given_up_at_once() -> None:
    """Its analysis does not report that nothing was found when nothing was searched."""
    with pytest.raises(Permanent, match="nothing to work on: step 2 failed or did not run"):
        run_agent("analyzer", "Kafka: jobs", missing=[2])
