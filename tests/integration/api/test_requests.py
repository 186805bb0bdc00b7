"""What a task was asked, as it can be asked again."""

from typing import Any

import httpx2
import pytest

from app.model.agents import StepOutput
from tests.integration.api.guarded import guarded
from tests.integration.api.support import LINE, Api, Worker, problem_of

pytestmark = pytest.mark.anyio

WHOLE: dict[str, Any] = {
    "task": "Compare tea and coffee",
    "inputs": {
        "documents": [{"name": "tea.md", "text": "# Tea\n\nIt is \"hot\".\n"}], "urls": ["https://a.example/x"],
    },
    "output": {"format": "html"}, "priority": 2, "labels": {"team": "a", "odd": "x, y:z"}, "deadline": "PT1H",
    "concurrency": {"key": "team", "limit": 3},
}  # fmt: skip


async def asked(api: Api, task_id: str, **query: Any) -> dict[str, Any]:
    reply = await api.http.get(f"/tasks/{task_id}/request", params=query)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def submitted(api: Api, body: dict[str, Any]) -> str:
    reply = await api.http.post("/run-task", json=body)
    assert reply.status_code == 202, reply.text
    task_id: str = reply.json()["task_id"]
    return task_id


@pytest.mark.parametrize("plan", [None, LINE], ids=["planned by the server", "with a plan"])
async def test_what_was_asked_can_be_sent_again_as_it_is(api: Api, plan: list[dict[str, Any]] | None) -> None:
    """Words, documents, pages, options; the answer submits a task of which the same can be said."""
    first = await submitted(api, WHOLE | ({"plan": plan} if plan else {}))

    body = await asked(api, first)
    second = await submitted(api, body)

    assert {name: body[name] for name in ("task", "output", "priority", "labels", "concurrency")} == {
        name: WHOLE[name] for name in ("task", "output", "priority", "labels", "concurrency")
    }
    assert body["inputs"] == {"collection": None, "web": False, **WHOLE["inputs"]}
    assert (body["planner"], body["plan"] is None) == (None if plan else "rules", plan is None)
    assert await asked(api, second) == body
    assert (await asked(api, first, documents=False))["inputs"]["documents"] == []


async def test_steps_that_agents_have_added_are_no_part_of_what_was_sent(api: Api, worker: Worker) -> None:
    """What waited for them waits for their parent, as it did."""
    task_id = await api.submit()
    before = (await asked(api, task_id))["plan"]
    await worker.finish(task_id, 1)
    grown = [{"step_id": 1, "agent": "retriever", "payload": "more"}]
    await worker.leave(task_id, 2, StepOutput(summary="two", steps=grown))

    assert (await asked(api, task_id))["plan"] == before


async def test_documents_that_are_gone_are_told(api: Api) -> None:
    """The rest can be had without them."""
    task_id = await submitted(api, WHOLE)
    keys = [key async for key in api.services.redis.scan_iter(match=f"{api.services.keys.tag}:docs:*")]
    await api.services.redis.delete(*keys)

    problem_of(await api.http.get(f"/tasks/{task_id}/request"), 409)
    assert (await asked(api, task_id, documents=False))["task"] == WHOLE["task"]


async def test_only_who_may_submit_is_given_documents_and_only_their_own(redis_url: str, namespace: str) -> None:
    """Another tenant's task is as one that nobody has."""
    async with guarded(redis_url, namespace) as api:
        reply = await api.http.post("/run-task", json={"task": "x", "plan": LINE}, headers=api.theirs)
        path = f"/tasks/{reply.json()['task_id']}/request"

        async def get(headers: dict[str, str]) -> httpx2.Response:
            return await api.http.get(path, headers=headers)

        problem_of(await get(api.headers("reader")), 403)
        problem_of(await get(api.headers("administrator")), 404)
        assert (await get(api.theirs)).json()["task"] == "x"
