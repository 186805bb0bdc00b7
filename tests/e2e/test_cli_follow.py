"""The client across a restart of the API it follows."""

from app.client import Client
from tests.deployment import Stack


def test_a_follower_survives_the_death_of_the_api(stack: Stack) -> None:
    """The API is killed in the middle of a task and started again: the follower gets every event once, in order."""
    api = stack.processes[0]
    with Client(stack.url) as client:
        plan = [
            {"step_id": 1, "agent": "gated", "payload": "gate"},
            {"step_id": 2, "agent": "noop", "payload": "x", "depends_on": [1]},
        ]
        task_id = client.submit("Do it", plan=plan).task_id
        events = client.follow(task_id)
        seen = [next(events)]
        while seen[-1].type != "step.started":
            seen.append(next(events))

        stack.kill(api)
        stack.api()
        (stack.folder / "gate").touch()
        seen += events

        assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
        assert seen[-1].type == "task.completed"
        assert list(client.follow(task_id, after=seen[-1].seq)) == []
        assert list(client.follow(task_id)) == seen
