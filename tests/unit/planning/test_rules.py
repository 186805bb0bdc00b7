"""The plans that the rules draw, as a reader would have drawn them."""

import time
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.model.agents import AgentRegistry
from app.model.plan import Plan, Step
from app.planning import reading, words
from app.planning.branches import BRANCHES_MAX
from app.planning.planner import Planner
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits, validate_plan

SHAPES: list[tuple[str, list[str]]] = [
    (
        "Compare how dramatiq, fastapi and redis handle errors and retries, and write a summary",
        ["dramatiq errors retries", "fastapi errors retries", "redis errors retries"],
    ),
    ("Compare Redis Streams and Kafka", ["Redis Streams", "Kafka"]),
    (
        "Redis Streams vs. Kafka: which is better for a task queue?",
        ["Redis Streams task queue", "Kafka task queue"],
    ),
    ("Pros and cons of SQLite vs PostgreSQL", ["SQLite pros cons", "PostgreSQL pros cons"]),
    (
        "Differences in memory use between Redis, Valkey and KeyDB",
        ["Redis memory use", "Valkey memory use", "KeyDB memory use"],
    ),
    (
        "Compare the error handling of starlette, fastapi and flask in production",
        ["starlette error handling production", "fastapi error handling production", "flask error handling production"],
    ),
    (
        "Compare dramatiq with celery in terms of retries and latency, and recommend one",
        ["dramatiq retries latency", "celery retries latency"],
    ),
    ("How do dramatiq and celery store results?", ["dramatiq store results", "celery store results"]),
    ("How does asyncio differ from trio?", ["asyncio", "trio"]),
    ("Which is faster, orjson or ujson?", ["orjson faster", "ujson faster"]),
    (
        "Should we use Redis Streams or Kafka for background work?",
        ["Redis Streams background work", "Kafka background work"],
    ),
    (
        "Research dramatiq and celery and compare them on retries, then recommend one.",
        ["dramatiq retries", "celery retries"],
    ),
    ("Write a summary comparing uvicorn and hypercorn", ["uvicorn", "hypercorn"]),
    (
        "Compare the following brokers on durability:\n- Redis\n- RabbitMQ\n- Kafka\nWrite a one-page report.",
        ["Redis brokers durability", "RabbitMQ brokers durability", "Kafka brokers durability"],
    ),
    ("Explain backoff, leases and fencing", ["backoff", "leases", "fencing"]),
    (
        "What are the risks, costs and limits of Redis Streams?",
        ["risks Redis Streams", "costs Redis Streams", "limits Redis Streams"],
    ),
    (
        "Explain how leases work; describe how retries back off; and summarise the failure modes",
        ["leases work", "retries back", "failure modes"],
    ),
    (
        "Answer these questions:\n1. What is a consumer group?\n2. How are entries acknowledged?",
        ["consumer group", "entries acknowledged"],
    ),
    (
        "Please find out 1) what SSE is, 2) how EventSource reconnects and 3) what Last-Event-ID does",
        ["SSE", "EventSource reconnects", "Last-Event-ID"],
    ),
    ("What is a lease and how does backoff work?", ["lease", "backoff work"]),
    ("What is dramatiq? How does it retry?", ["dramatiq retry"]),
    ("How does Redis persist its data?", ["Redis persist data"]),
    ("Summarise what the documents say about leases and fencing tokens.", ["leases fencing tokens"]),
    ("Research AI agents, analyze challenges and write a summary", ["AI agents"]),
    ("Write a report on the security of webhooks", ["security webhooks"]),
    ("Retrieve, analyze and summarise the changelog of pydantic", ["changelog pydantic"]),
    ("Fact-check: Redis Streams guarantee exactly-once delivery", ["Redis Streams guarantee exactly-once delivery"]),
    (
        "We run a queue on Redis. It loses messages. How can we stop that?",
        ["run queue Redis loses messages stop"],
    ),
    ("Analyse the risks of running Redis without AOF. Keep it short.", ["risks running Redis AOF"]),
    ("dramatiq", ["dramatiq"]),
]


@pytest.fixture
def draw(registry: AgentRegistry, limits: PlanLimits) -> Any:
    planner: Planner = RulePlanner()
    return lambda goal: validate_plan(planner.plan(goal), registry=registry, limits=limits, planner=planner.name)


def by_agent(plan: Plan, agent: str) -> list[Step]:
    return [step for step in plan.steps if step.agent == agent]


def texts(steps: list[Step]) -> list[str]:
    return [step.payload["text"] for step in steps if isinstance(step.payload, dict)]


def assert_branches_meet_in_one_report(plan: Plan) -> None:
    searches, analyses, writers = (by_agent(plan, agent) for agent in ("retriever", "analyzer", "writer"))
    merges = [step for step in analyses if len(step.depends_on) > 1]
    own = [step for step in analyses if step not in merges]

    assert all(not step.depends_on for step in searches)
    assert [step.depends_on for step in own] == [(step.step_id,) for step in searches]
    assert [step.depends_on for step in merges] == ([tuple(s.step_id for s in own)] if len(searches) > 1 else [])
    assert [step.depends_on for step in writers] == [((merges or own)[0].step_id,)]
    assert plan.sinks() == [writers[0].step_id]


@pytest.mark.parametrize(("goal", "searches"), SHAPES, ids=[goal[:40] for goal, _ in SHAPES])
def test_a_task_is_split_into_the_searches_a_reader_would_draw(draw: Any, goal: str, searches: list[str]) -> None:
    """One search per subject or part, each with its own analysis; several meet in a merge; one report at the end."""
    plan = draw(goal)

    assert texts(by_agent(plan, "retriever")) == searches
    assert_branches_meet_in_one_report(plan)
    assert texts(by_agent(plan, "writer")) == [goal]
    assert all(step.reason for step in plan.steps)


def test_what_to_do_with_the_findings_reaches_the_analysis_and_not_the_search(draw: Any) -> None:
    """Wishes shape the questions; a verdict is asked of the merge only; the wish for a document is dropped."""
    plan = draw("Compare how A1 and B1 store files, analyse the risks, recommend one and write a report.")

    assert texts(by_agent(plan, "retriever")) == ["A1 store files", "B1 store files"]
    assert texts(by_agent(plan, "analyzer")) == [
        "How does A1 store files? Analyse the risks",
        "How does B1 store files? Analyse the risks",
        "Compare how A1 and B1 store files. Analyse the risks. Recommend one",
    ]


def test_subjects_are_named_to_the_merge_and_the_writer_only(draw: Any) -> None:
    """Who sets subjects side by side knows their names; who works on one does not need them."""
    plan = draw("Compare Redis Streams and Kafka")

    named = {step.step_id: step.payload.get("subjects") for step in plan.steps if isinstance(step.payload, dict)}
    assert named == {1: None, 2: None, 3: None, 4: None, 5: ["Redis Streams", "Kafka"], 6: ["Redis Streams", "Kafka"]}


def test_more_subjects_than_branches_share_the_last_branch(draw: Any) -> None:
    """A long list is bounded without losing a member."""
    names = [f"subject{index}" for index in range(30)]
    plan = draw(f"Compare {', '.join(names)}")

    searches = texts(by_agent(plan, "retriever"))
    assert len(searches) == BRANCHES_MAX
    assert " ".join(searches).split() == names


def test_the_same_task_gives_the_same_plan(draw: Any) -> None:
    """Planning is deterministic."""
    goal = SHAPES[0][0]

    assert draw(goal) == draw(goal)


WORDS = (
    "compare how A B , and vs or between of the handle ; : ? . 1. 2) - write a summary is than it which should use for"
)


@given(goal=st.text(max_size=300) | st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=40).map(" ".join))
@example("")
@example(" \n\x00\u200b")
@example("\ud800")
@example("compare , and ,")
@example("0 1. . 2) 1")
@settings(max_examples=300)
def test_any_text_gives_a_valid_plan(registry: AgentRegistry, limits: PlanLimits, goal: str) -> None:
    """Whatever is asked, the plan passes the validator and has the usual shape."""
    plan = validate_plan(RulePlanner().plan(goal), registry=registry, limits=limits, planner="rules")

    assert_branches_meet_in_one_report(plan)
    assert 1 <= len(by_agent(plan, "retriever")) <= BRANCHES_MAX


HOSTILE = [
    "a" * 20_000,
    "compare " * 2_500,
    "a and " * 3_500,
    ", " * 10_000,
    "is a than " * 2_000,
    "is " * 6_600,
    "which " * 3_300,
    "which , x or " * 1_500,
    "compare a and b " + "in for on by " * 1_600,
    "difference between " * 1_050,
    "how do " * 2_900,
    "1. " * 6_600,
    "- x\n" * 5_000,
    "1. a 2. b " * 2_000,
    "write a " + "very " * 3_900 + "report",
    "summarise " * 2_000,
    "; and summarise the " * 1_000,
    "\u202e\u0301😀比" * 5_000,
    "'\"“" * 6_600,
    ". ? ! ; " * 2_500,
]


@pytest.mark.parametrize("goal", HOSTILE, ids=[goal[:20].strip() for goal in HOSTILE])
def test_a_hostile_text_is_planned_in_milliseconds(draw: Any, goal: str) -> None:
    """The longest texts, built to make patterns backtrack, stay far below what a request may take."""
    started = time.thread_time()
    draw(goal)

    assert time.thread_time() - started < 0.25


ORDINARY_WORDS = [
    "please", "could", "you", "summarize", "explain", "describe", "write", "report", "the", "an", "of", "on", "about",
    "into", "how", "what", "which", "is", "are", "do", "does", "it", "this", "them", "leases", "queue", "brokers",
    "memory", "retries", "best", "first", "list", "table", "documents", "say", "tell", "me", "one", "each", "tasks",
    "(A)", "3", "'quoted'", "e.g.", "X?", "cost.",
]  # fmt: skip


@given(st.lists(st.sampled_from(ORDINARY_WORDS), min_size=1, max_size=12).map(" ".join))
def test_a_text_without_any_shape_reads_the_same_on_the_short_way(goal: str) -> None:
    """A single sentence that sets nothing side by side is not looked at from all sides, and need not be."""
    lines = words.clean(goal)
    assume(len(lines) == 1 and not reading.SHAPE.search(lines[0]))

    assert reading.read(goal) == reading._shaped(lines, goal)
