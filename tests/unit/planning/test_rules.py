"""The plans that the rules draw, as a reader would have drawn them."""

import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.model.agents import AgentRegistry
from app.model.plan import Plan, Step
from app.planning import aspects, branches, comparison, intents, reading, sentences, words
from app.planning.branches import BRANCHES_MAX
from app.planning.planner import Planner
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits, validate_plan

from .hostile import HOSTILE

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

    assert [words.query(text) for text in texts(by_agent(plan, "retriever"))] == searches
    assert_branches_meet_in_one_report(plan)
    assert texts(by_agent(plan, "writer")) == [goal]
    assert all(step.reason for step in plan.steps)


def test_a_question_by_itself_is_searched_for_as_it_stands(draw: Any) -> None:
    """Its small words and their order help to rank; of several parts each is searched for by its words."""
    alone = draw("Please tell me: what happens to the other tasks of a group when one fails?")
    several = draw("Compare A1 and B1 on how they store files")

    assert texts(by_agent(alone, "retriever")) == ["what happens to the other tasks of a group when one fails"]
    assert texts(by_agent(several, "retriever")) == ["A1 store files", "B1 store files"]


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
    "compare how A B , and vs or between of the handle ; : ? . 1. 2) - write a summary is than it which should use for "
    'true that check these claims: summarise documents steps to how do i really " (a) (b) who when http://x a.md pros '
    "cons"
)
TEXTS = (
    st.text(max_size=300)
    | st.text(min_size=1, max_size=8).map(lambda text: (text * 20_000)[:20_000])
    | st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=40).map(" ".join)
)


@given(goal=TEXTS)
@example("")
@example(" \n\x00\u200b")
@example("\ud800")
@example("compare , and ,")
@example("0 1. . 2) 1")
@example("is it true that ?")
@example("summarise https:// .md")
@example('“”«»"')
@settings(max_examples=300)
def test_any_text_gives_a_valid_plan(registry: AgentRegistry, limits: PlanLimits, goal: str) -> None:
    """Whatever is asked, the plan passes the validator and has the usual shape."""
    plan = validate_plan(RulePlanner().plan(goal), registry=registry, limits=limits, planner="rules")

    assert_branches_meet_in_one_report(plan)
    assert 1 <= len(by_agent(plan, "retriever")) <= BRANCHES_MAX


CALLS_MAX = 25_000


@pytest.mark.parametrize("goal", HOSTILE, ids=[goal[:20].strip() for goal in HOSTILE])
def test_the_work_for_a_text_is_bounded(draw: Any, goal: str) -> None:
    """The longest texts, built to make lists grow, cost no more calls than a few long sentences do."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        steps = RulePlanner().plan(goal)
    finally:
        sys.setprofile(before)

    assert calls < CALLS_MAX
    assert_branches_meet_in_one_report(draw(goal))
    assert len(steps) <= 2 * BRANCHES_MAX + 2


PATTERNS = [
    pytest.param(value, id=f"{module.__name__.rpartition('.')[2]}.{name}")
    for module in (aspects, branches, comparison, intents, reading, sentences, words)
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
]
#: So often may what is repeated inside a repetition match: more is as good as unbounded.
INNER_REPEATS_MAX = 40


def nested_repeats(tree: Any, inside: bool = False) -> Iterator[str]:
    """Repetitions without a bound inside repetitions without a bound: where backtracking explodes."""
    for operator, argument in tree:
        if operator in (re._parser.MAX_REPEAT, re._parser.MIN_REPEAT):  # type: ignore[attr-defined]
            _, most, inner = argument
            if inside and most > INNER_REPEATS_MAX:
                yield str(inner)
            yield from nested_repeats(inner, inside or most > INNER_REPEATS_MAX)
        elif isinstance(argument, tuple):
            for part in argument:
                parts = part if isinstance(part, list) else [part]
                for one in parts:
                    if isinstance(one, re._parser.SubPattern):  # type: ignore[attr-defined]
                        yield from nested_repeats(one, inside)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_repeats_a_repetition(pattern: "re.Pattern[str]") -> None:
    """Each is at worst quadratic in a sentence of bounded length, whatever the text."""
    assert list(nested_repeats(re._parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))) == []  # type: ignore[attr-defined]


def test_invisible_characters_are_those_of_unicode() -> None:
    """Control and format characters and halves of characters, but for the line feed."""
    everything = "".join(map(chr, range(0x110000))).replace("\n", "")
    matched = set(map(unicodedata.category, words._INVISIBLE.findall(everything)))
    missed = set(map(unicodedata.category, words._INVISIBLE.sub("", everything)))
    # A character may be newer than the tables of this Python.
    assert matched <= {"Cc", "Cf", "Cs", "Cn", "Mn"}
    assert missed.isdisjoint({"Cc", "Cf", "Cs"})


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
