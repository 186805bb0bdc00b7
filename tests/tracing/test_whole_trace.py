"""A task with a retry, a dead worker, agents with spans of their own and a model: one trace, as a collector gets it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from app.model.events import Event
from app.tracing.otel import seeded_id
from tests.deployment import LINE, Stack, wait_for
from tests.e2e.test_stream import read
from tests.llm_script import writes
from tests.unit.scripted_server import ScriptedServer

from .collector import Collected, Collector, tree

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SECRET = "the-patient-is-called-Marlowe"
AGENTS = {1: "flaky", 2: "gated", 3: "coroutine", 4: "coroutine", 5: "threaded", 6: "asking"}
GATE = "gate"
NEEDS = {1: [], 2: [1], 3: [2], 4: [2], 5: [3, 4], 6: [5]}
PLAN = [
    {"step_id": step_id, "agent": agent, "payload": GATE if agent == "gated" else SECRET, "depends_on": NEEDS[step_id]}
    for step_id, agent in AGENTS.items()
]
#: Of low priority: a worker takes no step of it out of turn, so each batch has a message of its own.
BODY = {"task": SECRET, "plan": PLAN, "priority": 9, "labels": {"customer": SECRET}}
#: What the worker that was killed had in its hands, a message and the first attempt of a step, it took along.
WHOLE = """
POST /run-task [server]
  send flaky [producer]
    process flaky [consumer] delivery=1
      invoke_agent flaky [internal] attempt=1 outcome=retried error.type=Retryable
    process flaky [consumer] delivery=1
      invoke_agent flaky [internal] attempt=2 outcome=completed
    process gated [consumer] delivery=2
      invoke_agent gated [internal] attempt=2 outcome=completed
    process coroutine [consumer] delivery=1
      invoke_agent coroutine [internal] attempt=1 outcome=completed
        own coroutine [internal]
          execute_tool lookup [internal]
            own inner [internal]
      invoke_agent coroutine [internal] attempt=1 outcome=completed
        own coroutine [internal]
          execute_tool lookup [internal]
            own inner [internal]
    process threaded [consumer] delivery=1
      invoke_agent threaded [internal] attempt=1 outcome=completed
        own thread [internal]
          execute_tool lookup [internal]
            own inner [internal]
    process asking [consumer] delivery=1
      invoke_agent asking [internal] attempt=1 outcome=completed
        chat small [client]
""".strip()


@dataclass(frozen=True)
class Traced:
    """What came of the task."""

    task_id: str
    spans: list[Collected]
    events: list[Event]

    def named(self, name: str) -> list[Collected]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture(scope="module")
def ran(traced: Stack, collector: Collector, model: ScriptedServer) -> Iterator[Traced]:
    """The task after its end: its first attempt fails, the worker of its second step is killed."""
    model.answers = [writes(f"Yes, {SECRET}.")]
    first = traced.worker()
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "vendor=1"}
    reply = httpx2.post(f"{traced.url}/run-task", json=BODY, headers=headers, timeout=60)
    assert reply.status_code == 202, reply.text
    task_id = reply.json()["task_id"]
    wait_for(lambda: began(traced, "2", "1"), "the second step did not begin")
    wait_for(lambda: len(collector.of(TRACE)) == 6, "the first spans did not come")
    traced.kill(first)
    traced.worker()
    wait_for(lambda: began(traced, "2", "2"), "nobody took the step over")
    (traced.folder / GATE).touch()
    events = [event for _, event in read(traced, task_id)]
    wait_for(lambda: len(collector.of(TRACE)) >= len(WHOLE.splitlines()), "spans are missing")
    yield Traced(task_id, collector.of(TRACE), events)
    traced.stop_workers()


def began(stack: Stack, *what: str) -> bool:
    return ["began", *what] in [line[:3] for line in stack.ledger]


def test_a_task_is_one_tree(ran: Traced) -> None:
    """Every span has the caller's trace, and its place: also behind a retry and in the worker that took over."""
    assert tree(ran.spans) == WHOLE
    assert ran.spans[0].parent_id == CALLER
    assert {span.service for span in ran.spans if span.kind in ("server", "producer")} == {"stepstream-api"}
    assert {span.service for span in ran.spans[2:]} == {"stepstream-workers"}


def test_an_attempt_links_to_the_one_before_it(ran: Traced) -> None:
    """After a failure to a span that is there; after a death to what the dead worker's span would have been."""
    failed, again = ran.named("invoke_agent flaky")
    (taken_over,) = ran.named("invoke_agent gated")
    dead = f"{seeded_id(int(TRACE, 16), f'{ran.task_id} 2 1'):016x}"

    assert failed.links == []
    assert again.links == [(TRACE, failed.span_id, "previous_attempt")]
    assert taken_over.links == [(TRACE, dead, "previous_attempt")]
    assert dead not in {span.span_id for span in ran.spans}


def test_a_message_links_to_what_sent_it(ran: Traced) -> None:
    """As the messaging conventions ask; and the events carry the same context."""
    (sent,) = ran.named("send flaky")

    consumed = [span for span in ran.spans if span.kind == "consumer"]
    assert [span.links for span in consumed] == [[(TRACE, sent.span_id, "")]] * 6
    assert {event.trace for event in ran.events} == {f"00-{TRACE}-{sent.span_id}-01"}


def test_spans_say_what_the_conventions_ask(ran: Traced) -> None:
    """By their names, and of the right kinds of values."""
    request, sent = ran.spans[:2]
    (batch,) = ran.named("process coroutine")
    (chat,) = ran.named("chat small")
    attempt = ran.named("invoke_agent flaky")[0]

    assert request.attributes == {
        "http.request.method": "POST", "http.route": "/run-task", "http.response.status_code": 202,
        "url.path": "/run-task", "url.scheme": "http",
    }  # fmt: skip
    assert request.tracestate == "vendor=1"
    assert sent.attributes == {
        "messaging.system": "redis", "messaging.operation.name": "send", "messaging.operation.type": "send",
        "messaging.destination.name": "flaky", "gen_ai.conversation.id": ran.task_id,
        "stepstream.task.id": ran.task_id, "stepstream.planner": "client", "stepstream.plan.steps": 6,
        "stepstream.replayed": False,
    }  # fmt: skip
    assert batch.attributes == {
        "messaging.system": "redis", "messaging.operation.name": "process", "messaging.operation.type": "process",
        "messaging.destination.name": "coroutine", "messaging.consumer.group.name": "coroutine",
        "messaging.message.id": f"{ran.task_id}:3:1", "stepstream.task.id": ran.task_id,
        "stepstream.batch.steps": 2, "stepstream.delivery": 1,
    }  # fmt: skip
    assert without(attempt.attributes, "stepstream.worker") == {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "stepstream",
        "gen_ai.agent.name": "flaky", "gen_ai.conversation.id": ran.task_id, "stepstream.task.id": ran.task_id,
        "stepstream.step.id": 1, "stepstream.attempt": 1, "stepstream.outcome": "retried",
        "stepstream.error.code": "not_yet", "error.type": "Retryable",
    }  # fmt: skip
    assert without(chat.attributes, "gen_ai.response.time_to_first_chunk") == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "small",
        "gen_ai.request.stream": True, "gen_ai.request.max_tokens": 50, "gen_ai.request.temperature": 0.0,
        "gen_ai.output.type": "text", "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 4, "stepstream.llm.call": "answer",
    }  # fmt: skip
    assert [span.error for span in (request, sent, batch, chat, attempt)] == [False, False, False, False, True]


def test_no_span_repeats_what_a_task_says(ran: Traced, collector: Collector) -> None:
    """Neither its text, payloads and labels, nor what an agent raised and the model answered."""
    assert ran.events[-1].type == "task.completed"
    assert [span.name for span in collector.spans if SECRET in span.raw] == []


def test_watching_leaves_no_span(ran: Traced, traced: Stack, collector: Collector) -> None:
    """No stream, no probe, no scrape, no file of the dashboard; a request after them is there."""
    for path in ("/healthz", "/readyz", "/metrics", "/workers/targets", "/system", "/", "/static/nothing.js"):
        httpx2.get(traced.url + path, timeout=60)
    httpx2.get(f"{traced.url}/stream/{ran.task_id}", timeout=60)
    httpx2.get(f"{traced.url}/tasks/{ran.task_id}?seen={SECRET}", timeout=60)
    wait_for(lambda: [span for span in collector.spans if span.name == "GET /tasks/{task_id}"], "no span of a request")

    served = {span.name for span in collector.spans if span.kind == "server"}
    assert {name for name in served if name.startswith("GET")} == {"GET /tasks/{task_id}"}


def without(attributes: dict[str, Any], name: str) -> dict[str, Any]:
    assert name in attributes
    return {key: value for key, value in attributes.items() if key != name}


def test_a_trace_that_is_not_sampled_leaves_nothing(ran: Traced, traced: Stack, collector: Collector) -> None:
    """The caller's decision holds in the workers too; its context goes on as it came. One after it arrives."""
    unsampled, sampled = "1" * 32, "2" * 32
    context = f"00-{unsampled}-{CALLER}-00"

    tasks = [submit(traced, LINE, context), submit(traced, LINE, f"00-{sampled}-{CALLER}-01")]
    events = [[event for _, event in read(traced, task_id)] for task_id in tasks]
    wait_for(lambda: collector.names(sampled).count("invoke_agent noop") == 3, "no spans of the sampled task")

    assert [found[-1].type for found in events] == ["task.completed"] * 2
    assert {event.trace for event in events[0]} == {context}
    assert collector.of(unsampled) == []


@pytest.mark.parametrize("sent", [None, "00-gibberish-01", f"00-{'0' * 32}-{CALLER}-01"], ids=["none", "bad", "zero"])
def test_without_a_callers_trace_the_api_begins_one(
    ran: Traced, traced: Stack, collector: Collector, sent: str | None
) -> None:
    """Its plan and its submission lie below the request; a step that fails says how, and not with what words."""
    task_id = submit(traced, None, sent, task="Compare tea and coffee")
    events = [event for _, event in read(traced, task_id)]
    trace_id = (events[0].trace or "").split("-")[1]
    began = [f"invoke_agent {event.agent}" for event in events if event.type == "step.started"]
    wait_for(lambda: {*began, "POST /run-task"} <= set(collector.names(trace_id)), "spans are missing")

    spans = collector.of(trace_id)
    (request,) = (span for span in spans if span.kind == "server")
    assert (request.name, request.parent_id) == ("POST /run-task", "")
    assert {span.name for span in spans if span.parent_id == request.span_id} == {"plan rules", "send retriever"}
    (plan,) = (span for span in spans if span.name == "plan rules")
    assert plan.attributes["gen_ai.operation.name"] == "plan"
    failed = next(span for span in spans if span.name == "invoke_agent retriever")
    told = {
        name: failed.attributes[f"{name}"] for name in ("stepstream.outcome", "stepstream.error.code", "error.type")
    }
    assert (failed.error, *told.values()) == (True, "failed", "no_documents", "Permanent")
    assert "send some with it" not in "".join(span.raw for span in spans)


def test_an_answer_that_is_a_stream_ends_its_span_at_once(ran: Traced, traced: Stack, collector: Collector) -> None:
    """It arrives while the stream is open. Cancelled from another trace, the attempt says so and is no error."""
    trace_id, plan = "3" * 32, [{"step_id": 1, "agent": "gated", "payload": "never"}]
    headers = {"accept": "text/event-stream", "traceparent": f"00-{trace_id}-{CALLER}-01"}
    body = {"task": "x", "plan": plan}
    with httpx2.stream("POST", f"{traced.url}/run-task", json=body, headers=headers) as reply:
        task_id = reply.headers["task-id"]
        wait_for(lambda: "POST /run-task" in collector.names(trace_id), "the span waits for the end of the stream")
        wait_for(lambda: traced.get(f"/tasks/{task_id}")["steps"][0]["status"] == "running", "the step did not begin")
        httpx2.post(f"{traced.url}/tasks/{task_id}/cancel", json={"mode": "force"}, timeout=60)
        wait_for(lambda: "invoke_agent gated" in collector.names(trace_id), "no span of the attempt")

    (attempt,) = (span for span in collector.of(trace_id) if span.name == "invoke_agent gated")
    assert (attempt.attributes["stepstream.outcome"], attempt.error) == ("cancelled", False)


def test_a_fork_links_to_its_source(ran: Traced, traced: Stack, collector: Collector) -> None:
    """It is work of another request, which may come days later."""
    trace_id, (sent,) = "4" * 32, ran.named("send flaky")
    headers = {"traceparent": f"00-{trace_id}-{CALLER}-01"}

    reply = httpx2.post(f"{traced.url}/tasks/{ran.task_id}/fork", json={"from_step": 6}, headers=headers, timeout=60)
    assert reply.status_code == 202, reply.text
    wait_for(
        lambda: {"chat small", "POST /tasks/{task_id}/fork"} <= set(collector.names(trace_id)), "spans are missing"
    )

    request, forked = collector.of(trace_id)[:2]
    assert (request.name, request.attributes["stepstream.task.id"]) == ("POST /tasks/{task_id}/fork", ran.task_id)
    assert (forked.name, forked.links) == ("send asking", [(TRACE, sent.span_id, "")])


def test_a_fork_that_is_not_sampled_stays_out_of_its_sources_trace(
    ran: Traced, traced: Stack, collector: Collector
) -> None:
    """Its work belongs to its own request, which has decided; its source's trace ended with the source."""
    context, before = f"00-{'5' * 32}-{CALLER}-00", len(collector.of(TRACE))

    reply = httpx2.post(
        f"{traced.url}/tasks/{ran.task_id}/fork", json={"from_step": 6}, headers={"traceparent": context}
    )
    assert reply.status_code == 202, reply.text
    events = [event for _, event in read(traced, reply.json()["task_id"])]

    assert events[-1].type == "task.completed"
    assert {event.trace for event in events} == {context}
    assert (len(collector.of(TRACE)), collector.of("5" * 32)) == (before, [])


def submit(stack: Stack, plan: list[dict[str, Any]] | None, traceparent: str | None, **body: Any) -> str:
    headers = {"traceparent": traceparent} if traceparent else {}
    asked = {"task": "x", **({"plan": plan} if plan else {}), **body}
    reply = httpx2.post(f"{stack.url}/run-task", json=asked, headers=headers, timeout=60)
    assert reply.status_code == 202, reply.text
    task_id: str = reply.json()["task_id"]
    return task_id
