"""Each transition of the state machine: what it writes, and that it writes it once."""

import anyio
import orjson
import pytest

from app.broker.keys import ShardKeys
from app.dispatch.attempt import Fenced, StepRef
from app.dispatch.intake import Intake
from app.errors import BacklogFull, TaskNotFound
from app.model.events import ErrorInfo, LlmUsage, OutputDelta, StepProgress
from app.model.task import NewTask, StepStatus, TaskStatus

from .conftest import DIAMOND, LIMITS, LINE, STEP_LIMITS, Bench

pytestmark = pytest.mark.anyio

ERROR = ErrorInfo(type="Boom", code="boom", message='it said "no"')


async def test_a_submitted_task_is_stored_logged_and_sent(bench: Bench) -> None:
    """Submission writes the task, its first events and one entry for the ready step."""
    task_id = await bench.submit(LINE, labels={"team": "a"}, priority=1)

    view = await bench.reader.view(task_id)
    assert (view.status, view.labels, view.last_seq) == (TaskStatus.QUEUED, {"team": "a"}, 3)
    assert [step.status for step in view.steps] == [StepStatus.QUEUED, StepStatus.WAITING, StepStatus.WAITING]
    assert await bench.types(task_id) == ["task.submitted", "plan.created", "step.queued"]
    (message,) = await bench.messages("retriever")
    assert (message["actor_name"], message["args"]) == ("retriever", [task_id, "1:1"])
    assert message["message_id"] == f"{task_id}:1:1"


async def test_submitting_the_same_task_again_changes_nothing(bench: Bench) -> None:
    """A submission whose reply was lost may be sent again."""
    task_id = await bench.submit(LINE)
    view = await bench.reader.view(task_id)
    again = NewTask(task_id=task_id, task="Do it", plan=bench.plan(LINE))

    await bench.tasks.submit(Intake(again), bench.registry)

    assert await bench.reader.view(task_id) == view
    assert len(await bench.messages("retriever")) == 1


async def test_a_full_backlog_refuses_and_keeps_nothing(bench: Bench) -> None:
    """Above the backlog limit a submission is refused and leaves no trace."""
    stream = ShardKeys(bench.keys.tag).queue("retriever").stream()
    for _ in range(LIMITS.backlog_max):
        await bench.redis.xadd(stream, {"m": "x"})

    with pytest.raises(BacklogFull):
        await bench.submit(LINE)

    assert await bench.redis.zcard(bench.keys.open) == 0
    assert await bench.redis.keys(f"{bench.keys.tag}:t:*") == []


async def test_the_whole_line_runs_to_completion(bench: Bench) -> None:
    """Each completion sends the next step; the last one ends the task, with everything expiring."""
    task_id = await bench.submit(LINE)

    for step_id in (1, 2, 3):
        await bench.finish(task_id, step_id, f"step {step_id}")

    view = await bench.reader.view(task_id)
    assert view.status is TaskStatus.COMPLETED
    types = await bench.types(task_id)
    assert types[-1] == "task.completed"
    assert types.count("task.started") == 1
    assert types.count("step.completed") == 3
    assert {i: out.summary for i, out in (await bench.reader.outputs(view)).items()} == {3: "step 3"}
    await assert_everything_expires(bench)


async def test_steps_ready_together_share_a_message_per_agent(bench: Bench) -> None:
    """Both branches of a diamond are one batch for the analyzer; the join waits for both."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1)

    (message,) = await bench.messages("analyzer")
    assert message["args"] == [task_id, "2:1 3:1"]
    await bench.finish(task_id, 3)
    assert await bench.messages("writer") == []
    await bench.finish(task_id, 2)
    assert len(await bench.messages("writer")) == 1
    batch = next(e for e in await bench.events(task_id) if e.type == "batch.dispatched" and e.data["size"] == 2)
    assert batch.data["step_ids"] == [2, 3]


async def test_a_batch_is_no_larger_than_the_agent_allows(bench: Bench) -> None:
    """Twenty ready steps of one agent with batches of eight make three messages."""
    plan = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in range(1, 21)]

    task_id = await bench.submit(plan)

    sizes = [len(message["args"][1].split()) for message in await bench.messages("retriever")]
    assert sizes == [8, 8, 4]
    assert len(set(await bench.refs("retriever"))) == 20
    assert (await bench.types(task_id)).count("step.queued") == 20


async def test_completing_twice_counts_once(bench: Bench) -> None:
    """A completion whose reply was lost is accepted again and changes nothing."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)

    await bench.store.complete(attempt, b"{}", "")
    before = await bench.events(task_id)
    await bench.store.complete(attempt, b"{}", "")

    assert await bench.events(task_id) == before


async def test_an_outdated_attempt_can_write_nothing(bench: Bench) -> None:
    """When another worker has started the step, the first one's result, failure and reports are refused."""
    task_id = await bench.submit(LINE)
    zombie = await bench.start(task_id, 1, worker="w1")
    current = await bench.start(task_id, 1, worker="w2")
    before = await bench.events(task_id)

    with pytest.raises(Fenced):
        await bench.store.complete(zombie, b"{}", "")
    with pytest.raises(Fenced):
        await bench.store.fail(zombie, ERROR, retryable=True, delay_ms=0, max_attempts=3)
    with pytest.raises(Fenced):
        await bench.store.progress(zombie, 1, [StepProgress(current=1, total=2, message="")])
    with pytest.raises(Fenced):
        await bench.store.release(zombie, "shutdown")

    assert await bench.events(task_id) == before
    await bench.store.complete(current, b"{}", "")


async def test_a_step_started_elsewhere_counts_as_a_crash(bench: Bench) -> None:
    """The second start takes a new attempt number and says whose work it took over."""
    task_id = await bench.submit(LINE)
    await bench.start(task_id, 1, worker="w1")

    attempt = await bench.start(task_id, 1, worker="w2")

    assert attempt.number == 2
    started, redelivered = (await bench.events(task_id))[-2:]
    assert (started.type, started.attempt, started.data["delivery"]) == ("step.started", 2, 2)
    assert (redelivered.type, redelivered.data["from_worker"]) == ("step.redelivered", "w1")
    assert (await bench.reader.view(task_id)).steps[0].crashes == 1


async def test_a_step_that_kills_its_workers_fails(bench: Bench) -> None:
    """After three deaths the step goes to the dead letters and the task fails, once."""
    task_id = await bench.submit(LINE)
    for worker in ("w1", "w2", "w3"):
        await bench.start(task_id, 1, worker=worker)

    assert await bench.store.start(StepRef(task_id, 1, 1), worker="w4") is None

    view = await bench.reader.view(task_id)
    assert (view.status, view.steps[0].status) == (TaskStatus.FAILED, StepStatus.FAILED)
    assert view.error is not None
    assert view.error["code"] == "poison"
    assert (await bench.types(task_id))[-1] == "task.failed"
    assert await bench.redis.zcard(ShardKeys(bench.keys.tag).queue("retriever").dlq) == 1


async def test_a_failure_schedules_another_attempt(bench: Bench) -> None:
    """A retryable failure puts a new dispatch into the delay queue; the old entry is worth nothing."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)

    again = await bench.store.fail(attempt, ERROR, retryable=True, delay_ms=60_000, max_attempts=2)

    assert again
    queue = ShardKeys(bench.keys.tag).queue("retriever")
    ((member, due),) = await bench.redis.zrange(queue.due, 0, -1, withscores=True)
    body = orjson.loads(await bench.redis.hget(queue.due_bodies, member))
    assert body["args"] == [task_id, "1:2"]
    last = (await bench.events(task_id))[-1]
    assert (last.type, last.data["next_attempt"], last.data["delay_ms"]) == ("step.retry_scheduled", 2, 60_000)
    assert due == last.ts + 60_000
    await bench.move()
    assert await bench.store.start(StepRef(task_id, 1, 1), worker="w") is None
    assert await bench.store.start(StepRef(task_id, 1, 2), worker="w") is not None


async def test_failing_twice_with_one_token_counts_once(bench: Bench) -> None:
    """A failure whose reply was lost burns one attempt, not two."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)

    for _ in range(2):
        assert await bench.store.fail(attempt, ERROR, retryable=True, delay_ms=1000, max_attempts=2)

    assert (await bench.reader.view(task_id)).steps[0].failures == 1


@pytest.mark.parametrize("retryable", [True, False])
async def test_the_last_failure_ends_the_task_and_all_its_steps(bench: Bench, retryable: bool) -> None:
    """Out of attempts, or with no use in trying: running siblings are cancelled, waiting ones skipped."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1)
    failing, sibling = await bench.start(task_id, 2), await bench.start(task_id, 3)

    again = await bench.store.fail(failing, ERROR, retryable=retryable, delay_ms=0, max_attempts=1)

    assert not again
    view = await bench.reader.view(task_id)
    assert [step.status for step in view.steps] == ["completed", "failed", "cancelled", "skipped"]
    failed = (await bench.events(task_id))[-1]
    assert (failed.type, failed.data["failed_step"], failed.data["error"]) == ("task.failed", 2, ERROR.model_dump())
    with pytest.raises(Fenced):
        await bench.store.complete(sibling, b"{}", "")
    assert await bench.reader.view(task_id) == view
    await assert_everything_expires(bench)


async def test_a_failed_task_leaves_no_retry_behind(bench: Bench) -> None:
    """A sibling's scheduled retry is taken out of the delay queue when the task fails."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1)
    await bench.store.fail(await bench.start(task_id, 2), ERROR, retryable=True, delay_ms=60_000, max_attempts=9)

    await bench.store.fail(await bench.start(task_id, 3), ERROR, retryable=False, delay_ms=0, max_attempts=9)

    queue = ShardKeys(bench.keys.tag).queue("analyzer")
    assert await bench.redis.zcard(queue.due) == 0
    assert await bench.redis.hlen(queue.due_bodies) == 0


async def test_a_released_step_starts_again_without_a_failure(bench: Bench) -> None:
    """A worker that stops hands the step back; the same entry starts it again."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)

    await bench.store.release(attempt, "shutdown")
    again = await bench.start(task_id, 1)

    step = (await bench.reader.view(task_id)).steps[0]
    assert (again.number, step.failures, step.crashes) == (2, 0, 0)
    assert "step.released" in await bench.types(task_id)


async def test_reports_are_written_once_and_bounded(bench: Bench) -> None:
    """A repeated report is ignored; past the limit reports are dropped with one notice, transitions are not."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    report = [StepProgress(current=1, total=None, message="x")]

    await bench.store.progress(attempt, 1, report)
    await bench.store.progress(attempt, 1, report)
    assert (await bench.types(task_id)).count("step.progress") == 1
    await bench.store.progress(attempt, 2, report * 2 * STEP_LIMITS.events_max)
    await bench.store.progress(attempt, 3, report)
    await bench.store.complete(attempt, b"{}", "")

    types = await bench.types(task_id)
    assert types.count("events.truncated") == 1
    assert len([t for t in types if t == "step.progress"]) < STEP_LIMITS.events_max
    assert "step.completed" in types


async def test_what_models_took_is_added_up_once(bench: Bench) -> None:
    """
    Tokens and cost of all reports stand in the terminal event, and are counted for the fleet.

    A repeated report and unknown numbers add nothing.
    """
    task_id = await bench.submit([LINE[0]])
    attempt = await bench.start(task_id, 1)
    known = LlmUsage(
        name="draft", model="m", input_tokens=1_000, output_tokens=7, cached_tokens=None, usd=0.000_000_15, ms=5,
        ttft_ms=None,
    )  # fmt: skip
    unknown = known.model_copy(update={"input_tokens": None, "output_tokens": None, "usd": None})

    await bench.store.progress(attempt, 1, [known, unknown])
    await bench.store.progress(attempt, 1, [known, unknown])
    await bench.store.progress(attempt, 2, [known] * 2)
    await bench.store.progress(attempt, 3, [known] * STEP_LIMITS.events_max)
    await bench.store.complete(attempt, b"{}", "")

    times = STEP_LIMITS.events_max + 3
    events = await bench.events(task_id)
    assert events[-1].data["totals"] == {
        "steps": 1, "retries": 0, "tokens": 1_007 * times, "usd": round(150 * times / 1e9, 12),
    }  # fmt: skip
    assert [event.type for event in events].count("llm.usage") == times + 1
    assert {name: int(amount) for name, amount in (await bench.redis.hgetall(bench.keys.llm)).items()} == {
        b"calls": times + 1, b"input_tokens": 1_000 * times, b"output_tokens": 7 * times, b"nano_usd": 150 * times,
    }  # fmt: skip


async def test_every_event_is_pushed_and_told(bench: Bench) -> None:
    """The event's id and bytes go to the task's channel; the firehose says where they are."""
    pubsub = bench.redis.pubsub()
    task_id = await bench.submit(LINE)
    await pubsub.ssubscribe(bench.keys.events(task_id))
    with anyio.fail_after(60):
        while (await pubsub.get_message(timeout=1) or {}).get("type") != "ssubscribe":
            pass
        await bench.start(task_id, 1)
        pushed: list[bytes] = []
        while len(pushed) < 2:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
            pushed += message["data"].split(b"\n") if message else []
    await pubsub.aclose()

    stored = (await bench.redis.xrange(bench.keys.events(task_id)))[-2:]
    assert pushed == [entry_id + b" " + fields[b"e"] for entry_id, fields in stored]
    told = [fields for _, fields in await bench.redis.xrange(bench.keys.fire)]
    assert told == [
        {b"t": task_id.encode(), b"s": b"1", b"n": b"3"},
        {b"t": task_id.encode(), b"s": b"4", b"n": b"2"},
    ]


async def test_pieces_of_text_alone_are_not_told_to_the_firehose(bench: Bench) -> None:
    """A dashboard that follows everything is not woken for each piece of a report."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    before = await bench.redis.xlen(bench.keys.fire)

    await bench.store.progress(attempt, 1, [OutputDelta(artifact="a", offset=0, text="x")])

    assert await bench.redis.xlen(bench.keys.fire) == before


async def test_an_unknown_task_is_not_found(bench: Bench) -> None:
    """Reading a task that is not there says so; starting a step of it does nothing."""
    with pytest.raises(TaskNotFound):
        await bench.reader.view("0-none")
    assert await bench.store.start(StepRef("0-none", 1, 1), worker="w") is None


async def test_trace_context_is_kept_in_every_event_and_message(bench: Bench) -> None:
    """The caller's traceparent reaches the events and the entry's options."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    task_id = await bench.submit(LINE, traceparent=trace)

    assert {event.trace for event in await bench.events(task_id)} == {trace}
    assert (await bench.messages("retriever"))[0]["options"]["traceparent"] == trace


async def assert_everything_expires(bench: Bench) -> None:
    """No key of a finished task is without a TTL, apart from queues that workers drain and the permanent list."""
    async for key in bench.redis.scan_iter(match=f"{bench.keys.tag}:*"):
        name = key.decode()
        drained = name.startswith((f"{bench.keys.tag}:q:", f"{bench.keys.tag}:dlq:"))
        if drained or bench.keys.outlives_tasks(name) or name == ShardKeys(bench.keys.tag).queues:
            continue
        assert await bench.redis.pttl(key) > 0, name
