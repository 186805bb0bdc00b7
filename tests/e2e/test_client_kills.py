"""What a client has seen when API and worker are killed under it, again and again."""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.client import AsyncClient, Client
from app.model.events import Event
from tests.deployment import EXIT_TIMEOUT_S, Stack, wait_for

KILLS = 8
STEPS_PER_KILL = 6
STEPS = range(1, KILLS * STEPS_PER_KILL + 1)
#: A line of steps, each long enough to be killed in; a gate among them per kill, so that the task outlives them all.
GATES = STEPS[::STEPS_PER_KILL]
LONG = [
    {
        "step_id": n,
        "agent": "gated" if n in GATES else "pausing",
        "payload": f"gate-{n}",
        "depends_on": [n - 1] if n > 1 else [],
    }
    for n in STEPS
]
SHORT = [{"step_id": 1, "agent": "noop", "payload": "a"}]


def followed(url: str, task_id: str) -> list[Event]:
    with Client(url) as client:
        return list(client.follow(task_id))


def followed_asynchronously(url: str, task_id: str) -> list[Event]:
    async def follow() -> list[Event]:
        async with AsyncClient(url) as client:
            return [event async for event in client.follow(task_id)]

    return asyncio.run(follow())


def followed_with_another(url: str, task_id: str) -> list[Event]:
    """In one stream with a task that ends long before."""
    with Client(url) as client:
        other = client.submit("Do it", plan=SHORT, idempotency_key=task_id).task_id
        seen = list(client.follow_many([other, task_id]))
    beside = [event.seq for event in seen if event.task_id == other]
    assert beside == list(range(1, len(beside) + 1))
    return [event for event in seen if event.task_id == task_id]


def waited(url: str, task_id: str) -> int:
    with Client(url) as client:
        return client.wait(task_id, timeout_s=600).last_seq


@pytest.mark.full
def test_a_follower_comes_back_as_often_as_it_is_asked_to(bare_stack: Stack) -> None:
    """Streams that end by age, and an API that is ended politely and started again: exactly 1..n, sync and async."""
    bare_stack.environment |= {"STEPSTREAM_STREAM_S_MAX": "0.5", "STEPSTREAM_HEARTBEAT_S": "0.2"}

    def opened() -> int:
        return sum(log.read_text().count("stream_opened") for log in bare_stack.folder.glob("uvicorn-*.log"))

    api = bare_stack.api()
    bare_stack.worker()
    task_id = bare_stack.submit([{"step_id": 1, "agent": "gated", "payload": "gate"}])
    with ThreadPoolExecutor() as pool:
        seen = [pool.submit(watch, bare_stack.url, task_id) for watch in (followed, followed_asynchronously)]
        # Each waits for 1 to 3 s before it comes back, as the API asks it to.
        wait_for(lambda: opened() >= 4, "they do not come back")
        api.terminate()
        api.wait(timeout=EXIT_TIMEOUT_S)
        bare_stack.api()
        wait_for(lambda: opened() >= 6, "they do not come back to the next API")
        (bare_stack.folder / "gate").touch()
        one, other = [future.result(timeout=300) for future in seen]

    assert [event.seq for event in one] == list(range(1, len(one) + 1))
    assert one == other
    assert one[-1].type == "task.completed"


def let_go_on(stack: Stack, gate: int) -> None:
    """Opens a gate once its step waits for it: who is killed behind that is killed in the middle of steps."""
    wait_for(lambda: ["began", str(gate)] in [line[:2] for line in stack.ledger], "the step did not begin")
    (stack.folder / f"gate-{gate}").touch()


@pytest.mark.full
def test_the_log_of_a_client_is_exactly_1_to_n_whatever_is_killed(stack: Stack) -> None:
    """Sync and async, from the start and from the middle; API and worker die by kill -9 while steps run."""
    api, worker = stack.processes
    task_id = stack.submit(LONG)
    dice = random.Random(7)
    watchers: list[Callable[[str, str], object]] = [
        followed, followed_asynchronously, followed_with_another, waited,
    ]  # fmt: skip
    with ThreadPoolExecutor() as pool:
        seen = [pool.submit(watch, stack.url, task_id) for watch in watchers]
        for kill, gate in enumerate(GATES):
            let_go_on(stack, gate)
            time.sleep(dice.uniform(0.0, 0.4))
            victims = [{"api"}, {"worker"}, {"api", "worker"}][kill % 3]
            if "worker" in victims:
                stack.kill(worker)
            if "api" in victims:
                stack.kill(api)
                api = stack.api()
            if "worker" in victims:
                worker = stack.worker()
        one, other, third, last_seq = [future.result(timeout=600) for future in seen]

    assert isinstance(one, list)
    assert [event.seq for event in one] == list(range(1, len(one) + 1))
    assert one == other == third
    assert one[-1].type == "task.completed"
    assert last_seq == len(one)
    with Client(stack.url) as client:
        assert one == list(client.events(task_id))
    # The kills did hit: a worker died in the middle of a step.
    assert any(event.type == "step.redelivered" for event in one)
