"""Results, pipelines, groups and callbacks, with Dramatiq's own middleware and a result backend on Redis."""

import threading
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import group, pipeline
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as RateLimits
from dramatiq.results import ResultFailure, ResultMissing, Results, ResultTimeout
from dramatiq.results.backends import RedisBackend

from tests.contract.subjects import JOIN_MS, StartWorker, Subjects

RESULT_MS = 60_000


@pytest.fixture
def composing(broker: Any, ledger: "redis.Redis", namespace: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A broker that stores results and knows two actors: `add` and `fail`; compositions find it as the global one."""
    monkeypatch.setattr("dramatiq.broker.global_broker", broker)
    broker.add_middleware(Results(backend=RedisBackend(client=ledger, namespace=f"{{{namespace}:results}}")))
    dramatiq.actor(lambda *numbers: sum(numbers), actor_name="add", broker=broker, store_results=True)

    @dramatiq.actor(broker=broker, store_results=True, max_retries=0)
    def fail(*_: Any) -> None:
        raise RuntimeError("on purpose")

    return broker


def add(broker: Any, *numbers: int, **options: Any) -> Any:
    return broker.get_actor("add").message_with_options(args=numbers, **options)


def test_a_result_can_be_awaited(composing: Any, start_worker: StartWorker) -> None:
    """It is missing until the actor is done; waiting for it has a limit."""
    message = composing.enqueue(add(composing, 1, 2))

    with pytest.raises(ResultMissing):
        message.get_result()
    with pytest.raises(ResultTimeout):
        message.get_result(block=True, timeout=20)
    start_worker(composing)

    assert message.get_result(block=True, timeout=RESULT_MS) == 3


def test_a_failure_is_a_result_too(composing: Any, start_worker: StartWorker) -> None:
    """Whoever waits for a message that failed for good is told so."""
    message = composing.get_actor("fail").send()
    start_worker(composing)

    with pytest.raises(ResultFailure, match="on purpose"):
        message.get_result(block=True, timeout=RESULT_MS)


def test_a_message_too_old_is_a_failure_for_who_waits(composing: Any, start_worker: StartWorker) -> None:
    """Age limit and result backend agree: not run, and known to have failed."""
    old = add(composing, 1, max_age=1)
    message = composing.enqueue(old.copy(message_timestamp=old.message_timestamp - 1_000))
    start_worker(composing)

    with pytest.raises(ResultFailure):
        message.get_result(block=True, timeout=RESULT_MS)


def test_a_pipeline_hands_results_on(composing: Any, start_worker: StartWorker) -> None:
    """Each step gets the result of the one before, unless it ignores it; all results are kept."""
    start_worker(composing)
    line = pipeline([add(composing, 1, 2), add(composing, 3), add(composing, 4, pipe_ignore=True), add(composing, 5)])

    line.run()

    assert line.get_result(block=True, timeout=RESULT_MS) == 9
    assert list(line.get_results()) == [3, 6, 4, 9]
    assert (line.completed, line.completed_count) == (True, 4)


def test_a_delayed_pipeline_begins_later(composing: Any, start_worker: StartWorker) -> None:
    """Delays of the pipeline and of a step within it are kept, and the steps still come in turn."""
    start_worker(composing)
    line = pipeline([add(composing, 1), add(composing, 2, delay=50)])

    line.run(delay=50)

    assert line.completed_count == 0
    assert line.get_result(block=True, timeout=RESULT_MS) == 3


def test_a_pipeline_ends_at_a_failure(composing: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """What stands behind a failed step is never sent."""
    start_worker(composing)
    line = pipeline([add(composing, 1), composing.get_actor("fail").message(), add(composing, 2)])

    line.run()
    with pytest.raises(ResultFailure):
        line.messages[1].get_result(block=True, timeout=RESULT_MS)
    composing.join("default", timeout=JOIN_MS)

    with pytest.raises(ResultMissing):
        line.get_result()
    assert subjects.dead(composing) == 1


def test_a_group_runs_side_by_side(composing: Any, start_worker: StartWorker) -> None:
    """Its members run at the same moment; results come in the order of the members."""
    both = threading.Barrier(2)

    @dramatiq.actor(broker=composing, store_results=True)
    def meet(number: int) -> int:
        both.wait(60)
        return number

    start_worker(composing, threads=2)
    members = group([meet.message(1), meet.message(2)]).run()

    assert list(members.get_results(block=True, timeout=RESULT_MS)) == [1, 2]
    assert (members.completed, members.completed_count) == (True, 2)


def test_groups_hold_groups_and_pipelines(composing: Any, start_worker: StartWorker) -> None:
    """A member may be a group or a pipeline of its own."""
    start_worker(composing)
    inner = group([add(composing, 1), add(composing, 2)])
    line = add(composing, 3) | add(composing, 4)

    members = group([inner, line]).run()
    members.wait(timeout=RESULT_MS)

    first, second = members.get_results(block=True, timeout=RESULT_MS)
    assert (list(first), second) == ([1, 2], 7)


def test_a_group_calls_back_when_all_are_done(composing: Any, ledger: "redis.Redis", start_worker: StartWorker) -> None:
    """Once, after the last member; here the members are pipelines."""
    composing.add_middleware(GroupCallbacks(RateLimits(client=ledger)))
    told = threading.Event()
    dramatiq.actor(told.set, actor_name="tell", broker=composing)
    start_worker(composing)
    members = group([add(composing, 1) | add(composing, 2), add(composing, 3) | add(composing, 4)])

    members.add_completion_callback(composing.get_actor("tell").message())
    members.run()

    assert told.wait(60)
    assert members.completed


@pytest.mark.parametrize("fails", [False, True])
def test_callbacks_hear_how_it_ended(composing: Any, start_worker: StartWorker, fails: bool) -> None:
    """`on_success` gets message and result, `on_failure` message and error; never both."""
    told: list[tuple[str, Any]] = []
    for name in ("on_success", "on_failure"):
        dramatiq.actor(lambda _, outcome, name=name: told.append((name, outcome)), actor_name=name, broker=composing)
    start_worker(composing)
    actor = composing.get_actor("fail" if fails else "add")

    actor.send_with_options(args=(1, 2), on_success="on_success", on_failure="on_failure")
    composing.join("default", timeout=JOIN_MS)

    expected = ("on_failure", {"type": "RuntimeError", "message": "on purpose"}) if fails else ("on_success", 3)
    assert told == [expected]
