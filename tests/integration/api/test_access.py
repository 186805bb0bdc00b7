"""Who may do what: tenants see their own, and nothing is open by accident."""

import pytest

from tests.integration.api.support import Api, problem_of, running

pytestmark = pytest.mark.anyio


async def test_a_task_of_another_tenant_is_not_there(api: Api) -> None:
    """What belongs to somebody else is exactly as an unknown task."""
    task_id = await api.submit()
    await api.services.redis.hset(api.services.keys.task(task_id), "tenant", "other")

    reply = await api.http.get(f"/tasks/{task_id}")

    assert problem_of(reply, 404)["type"] == "urn:stepstream:problem:task-not-found"


async def test_a_server_that_requires_keys_answers_401(redis_url: str, namespace: str) -> None:
    """Without a key nothing but the open routes is to be had, at a loopback address too."""
    async with running(redis_url=redis_url, namespace=namespace, auth="required") as api:
        refused = await api.http.get("/tasks")
        fine = await api.http.get("/healthz")

    assert problem_of(refused, 401)["type"] == "urn:stepstream:problem:key-needed"
    assert refused.headers["www-authenticate"] == 'Bearer realm="stepstream"'
    assert fine.status_code == 200
