"""Every method of both clients against a real API and worker: what comes back is what the server has."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from app.client import ApiError, Client
from app.model.bulk import BulkAction
from app.model.events import Event
from app.model.task import CancelMode, TaskStatus
from tests.deployment import LINE, Stack, running
from tests.unit.conftest import Blocking

HOPELESS = [
    {"step_id": 1, "agent": "noop", "payload": "a"},
    {"step_id": 2, "agent": "hopeless", "payload": "hope", "depends_on": [1]},
]
GATED = [{"step_id": 1, "agent": "gated", "payload": "never"}]


@pytest.fixture(scope="module")
def stack(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("methods"), redis_url) as stack:
        stack.worker()
        yield stack


@pytest.fixture(params=[Client, Blocking], ids=["sync", "async"])
def api(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Client]:
    with request.param(stack.url) as client:
        yield client


def test_a_task_from_its_plan_to_its_deletion(stack: Stack, api: Client) -> None:
    """Preview, submit, wait, look at it in every way there is, fork, delete."""
    planned = api.preview("Do it", plan=LINE)
    accepted = api.submit("Do it", plan=LINE, labels={"test": "methods"}, idempotency_key=f"k-{id(api)}")
    again = api.submit("Do it", plan=LINE, labels={"test": "methods"}, idempotency_key=f"k-{id(api)}")
    task_id = accepted.task_id
    task = api.wait(task_id, timeout_s=180)

    assert accepted.plan == planned
    assert again.task_id == task_id
    assert (task.status, [step.step_id for step in task.steps]) == (TaskStatus.COMPLETED, [1, 2, 3])
    assert [step.status for step in api.plan(task_id).steps] == ["completed"] * 3
    assert [output.summary for output in api.result(task_id).outputs] == ["c"]
    assert api.markdown(task_id) == "c"
    assert "<p>c</p>" in api.html(task_id)
    assert api.metrics(task_id).steps.completed == 3
    written = list(api.events(task_id, page_size=4))
    assert written == list(api.follow(task_id))
    assert [event.seq for event in written] == list(range(1, task.last_seq + 1))
    assert list(api.events(task_id, after=3)) == written[3:]
    assert [event.seq for event in api.follow(task_id, types=["step.completed"])] == [
        event.seq for event in written if event.type == "step.completed" or event.terminal
    ]
    fork = api.fork(task_id, from_step=3).task_id
    assert api.wait(fork, timeout_s=180).parent_task_id == task_id
    assert {fork, task_id} <= {found.task_id for found in api.tasks(labels={"test": "methods"}, page_size=1)}
    api.delete(fork)
    api.delete(task_id)
    with pytest.raises(ApiError, match="404"):
        api.task(task_id)


def test_several_tasks_are_followed_in_one_stream(stack: Stack, api: Client) -> None:
    """Each event of each task once, in the order of its log; and from the middle on."""
    ids = [api.submit(f"Do it {n}", plan=LINE).task_id for n in range(5)]
    seen: dict[str, list[Event]] = {task_id: [] for task_id in ids}
    for event in api.follow_many(ids):
        seen[event.task_id].append(event)

    assert seen == {task_id: list(api.events(task_id)) for task_id in ids}
    rest = list(api.follow_many(ids, after=dict.fromkeys(ids, 3)))
    assert {(event.task_id, event.seq) for event in rest} == {
        (event.task_id, event.seq) for events in seen.values() for event in events[3:]
    }
    ends = list(api.follow_many(ids, types=["task.started"]))
    assert sorted(event.type for event in ends) == ["task.completed"] * 5 + ["task.started"] * 5


def test_the_firehose_tells_of_all_tasks_and_workers(stack: Stack, api: Client) -> None:
    """What is kept, up to now; and live, until somebody has seen enough."""
    task_id = api.submit("Do it", plan=LINE, labels={"test": f"fire-{id(api)}"}).task_id
    last_seq = api.wait(task_id, timeout_s=180).last_seq

    kept = list(api.firehose("0", follow=False))
    mine = [event.seq for event in kept if event.task_id == task_id]
    assert mine == list(range(1, last_seq + 1))
    assert "worker.up" in {event.type for event in kept}
    labelled = api.firehose("0", labels={"test": f"fire-{id(api)}"}, types=["task.*"])
    assert [event.type for event in islice(labelled, 3)] == ["task.submitted", "task.started", "task.completed"]
    labelled.close()  # type: ignore[attr-defined]  # it is a generator, though it need not be


def test_the_example_of_the_page_works(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """What a reader copies from docs/cli.md follows a task to its report."""
    page = (Path(__file__).parent.parent.parent / "docs" / "cli.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    exec(code.replace("http://127.0.0.1:8000", stack.url), {})
    printed = capsys.readouterr().out.splitlines()

    assert printed[0] == "1 task.submitted"
    assert "completed" in printed


def test_a_task_is_steered(stack: Stack, api: Client) -> None:
    """Pause, resume, cancel; a wait that is too short says so and changes nothing."""
    task_id = api.submit("Wait", plan=GATED).task_id

    assert api.pause(task_id, "lunch").status == TaskStatus.PAUSED
    assert api.resume(task_id).status in (TaskStatus.RUNNING, TaskStatus.QUEUED)
    with pytest.raises(TimeoutError):
        api.wait(task_id, timeout_s=0.3)
    assert api.cancel(task_id, CancelMode.FORCE, "enough").status == TaskStatus.CANCELLED
    assert api.wait(task_id, timeout_s=180).status == TaskStatus.CANCELLED


def test_what_has_failed_is_retried_as_a_task_and_as_a_dead_letter(stack: Stack, api: Client) -> None:
    """The letter of a failed step is found, looked at, put back, and thrown away."""
    (stack.folder / "hope").unlink(missing_ok=True)
    task_id = api.submit("Hope", plan=HOPELESS).task_id
    assert api.wait(task_id, timeout_s=180).status == TaskStatus.FAILED
    letter = _letter(api, task_id)
    assert api.dead_letter(letter.id).body_bytes > 0
    seen = api.task(task_id).last_seq
    assert api.retry(task_id).task_id == task_id
    assert [event.type for event in api.follow(task_id, after=seen)][-1] == "task.failed"

    (stack.folder / "hope").touch()
    answer = api.requeue(_letter(api, task_id).id)
    assert (answer.requeued, answer.task_id) == ("step", task_id)
    assert api.wait(task_id, timeout_s=180).status == TaskStatus.COMPLETED
    assert "<em>was</em>" in api.html(task_id)

    (stack.folder / "hope").unlink()
    other = api.submit("Hope", plan=HOPELESS).task_id
    api.wait(other, timeout_s=180)
    api.discard(_letter(api, other).id)
    assert [found for found in api.dead_letters("hopeless", page_size=1) if found.task_id == other] == []


def _letter(api: Client, task_id: str) -> Any:
    return next(letter for letter in api.dead_letters() if letter.task_id == task_id)


def test_operators_see_the_installation(stack: Stack, api: Client) -> None:
    """Agents, workers, queues; a queue is paused and resumed."""
    assert {"noop", "retriever"} <= {agent.name for agent in api.agents()}
    assert [worker.alive for worker in api.workers()] == [True]
    assert api.pause_queue("noop").paused
    assert {queue.name: queue.paused for queue in api.queues()}["noop"]
    assert not api.resume_queue("noop").paused
    history = api.queue_history()
    assert {"noop", "retriever"} <= {queue.name for queue in history.queues}
    assert api.queue_history(after_ms=history.times_ms[-1] + 3_600_000).times_ms == []
    assert [process.version for process in api.system().api_processes] == [version("stepstream")]


def test_one_action_for_many_tasks(stack: Stack, api: Client) -> None:
    """As many calls as it takes; the counts tell before what it will be."""
    labels = {"test": f"bulk-{id(api)}"}
    ids = [api.submit("Do it", plan=GATED, labels=labels).task_id for _ in range(3)]

    assert api.counts(labels=labels, words="do").open == 3
    cancelled = list(api.bulk(BulkAction.CANCEL, labels=labels, page_size=2))
    for task_id in ids:
        api.wait(task_id, timeout_s=180)
    assert [(one.task_id, one.refused) for one in cancelled] == [(task_id, None) for task_id in reversed(ids)]
    assert api.counts(labels=labels).cancelled == 3
    assert len(list(api.bulk(BulkAction.DELETE, labels=labels))) == 3
    assert api.counts(labels=labels).total == 0
