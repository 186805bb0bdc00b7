"""The exact counters: what the logs hold, what was refused, and that nothing depends on them."""

from collections import Counter

import pytest

from app.dispatch.attempt import Fenced
from app.dispatch.counters import Counters
from app.model.events import OutputDelta, StepProgress
from app.model.task import CancelMode

from .cases import AGENTS
from .conftest import DIAMOND, LINE, Bench

pytestmark = pytest.mark.anyio

#: As in `lua/_task.lua`.
TOTALS_MAX = 4096


async def totals(bench: Bench) -> Counters:
    return Counters.read(await bench.redis.hgetall(bench.keys.totals))


async def test_every_event_is_counted_by_its_type_and_agent(bench: Bench) -> None:
    """Batches, reports, a retry, a chain, a large act: a count for each event of all logs, summed over the tasks."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1)
    attempt = await bench.start(task_id, 2)
    reports = [StepProgress(current=n, total=2, message="x") for n in (1, 2)]
    await bench.store.progress(attempt, 1, [*reports, OutputDelta(artifact="a", offset=0, text="x")])
    await bench.store.complete(attempt, b"{}", "")
    await bench.fail(task_id, 3, again_ms=60_000)
    chain = await bench.submit(LINE)
    await bench.store.complete(await bench.start(chain, 1), b"{}", "", queues=AGENTS)

    wide = await bench.submit([{**LINE[0], "step_id": n, "depends_on": []} for n in range(1, 8)])

    logs = [event for each in (task_id, chain, wide) for event in await bench.events(each)]
    found = await totals(bench)

    assert found.events == Counter((event.type, event.agent or "") for event in logs)
    assert found.events["step.progress", "analyzer"] == 2
    assert found.events["step.started", "retriever"] == 2
    assert found.events["step.queued", "retriever"] == 9
    assert found.events["task.submitted", ""] == 3
    assert (found.fenced, found.stale) == (0, 0)


async def test_each_refused_write_is_counted(bench: Bench) -> None:
    """Whatever an overtaken attempt tries is one more of them, and no event."""
    task_id = await bench.submit(LINE)
    lost = await bench.start(task_id, 1)
    await bench.start(task_id, 1, worker="w2")
    events = (await totals(bench)).events

    for act in (
        bench.store.progress(lost, 1, [StepProgress(current=1, total=None, message="x")]),
        bench.store.memo(lost, "mail", b"1"),
        bench.store.complete(lost, b"{}", ""),
        bench.store.defer(lost, delay_ms=1, provider="p", deferrals_max=3),
        bench.store.release(lost, "shutdown"),
        bench.store.stop(lost),
    ):
        with pytest.raises(Fenced):
            await act

    found = await totals(bench)
    assert (found.fenced, found.stale, found.events) == (6, 0, events)


async def test_each_stale_delivery_is_counted(bench: Bench) -> None:
    """An entry that comes again behind its step's end, and one of a task that is not there."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await bench.store.complete(attempt, b"{}", "")
    await bench.store.start(attempt.ref, worker="w2")
    await bench.tasks.cancel(task_id, CancelMode.FORCE, by="x", reason=None)
    await bench.store.start(attempt.ref, worker="w2")

    assert (await totals(bench)).stale == 2


async def test_counters_are_bounded(bench: Bench) -> None:
    """What is new when there are too many is counted together; what is known is counted on."""
    await bench.redis.hset(bench.keys.totals, mapping={f"x:{n}": 1 for n in range(TOTALS_MAX - 1)})
    bench.damaged = True

    for _ in range(2):
        await bench.finish(await bench.submit(LINE[:1]), 1)

    found = (await totals(bench)).events
    assert sum(count for (kind, agent), count in found.items() if kind == "step.started") == 2
    assert sum(agent == "*" for _, agent in found) == len({kind for kind, agent in found if kind != "x"}) - 1
    assert len(found) <= TOTALS_MAX + len({kind for kind, _ in found})


async def test_damaged_counters_stop_nothing(bench: Bench) -> None:
    """Tasks run whatever lies in the place of the counters."""
    bench.damaged = True
    await bench.redis.set(bench.keys.totals, "harm")
    task_id = await bench.submit(LINE[:1])

    await bench.finish(task_id, 1)

    assert await bench.status(task_id) == "completed"
