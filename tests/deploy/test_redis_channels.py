"""A user who may not publish: what was to be written is written whole, only the push is missing."""

from collections.abc import AsyncIterator, Iterator

import pytest
from dramatiq.message import Message

from app import redis_async
from app.broker import RedisStreamsBroker
from app.dispatch.reader import TaskReader
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepStore
from app.dispatch.store import TaskStore
from app.keys import Keys
from tests.deployment import free_port
from tests.integration.dispatch.conftest import LIMITS, LINE, STEP_LIMITS, Bench
from tests.redis_users import GuardedRedis, debian_redis, guarded_redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRedis]:
    """One on which API and workers have lost their channels."""
    with guarded_redis(debian_redis(), tmp_path_factory.mktemp("mute"), free_port()) as server:
        with server.client("admin") as admin:
            for user in ("api", "worker"):
                admin.execute_command("ACL", "SETUSER", user, "resetchannels")
        yield server


@pytest.fixture
async def bench(server: GuardedRedis) -> AsyncIterator[Bench]:
    admin, api, worker = (redis_async.connect(server.url(user)) for user in ("admin", "api", "worker"))
    keys = Keys("stepstream")
    tasks = TaskStore(ScriptRunner(api, keys, retry_ms_max=60_000), LIMITS)
    steps = StepStore(ScriptRunner(worker, keys, retry_ms_max=60_000), STEP_LIMITS)
    yield Bench(admin, keys, tasks, steps, TaskReader(api, keys, retry_ms_max=60_000))
    for client in (admin, api, worker):
        await client.aclose()


@pytest.mark.anyio
async def test_transitions_are_whole(bench: Bench) -> None:
    """A task is submitted, each step is sent, run and followed by the next one."""
    task_id = await bench.submit(LINE)
    for step in LINE:
        assert len(await bench.messages(str(step["agent"]))) == 1
        await bench.finish(task_id, int(step["step_id"]))

    assert await bench.status(task_id) == "completed"
    assert (await bench.types(task_id))[-1] == "task.completed"


def test_messages_are_sent_whole(server: GuardedRedis) -> None:
    """Delayed ones, of which the first has to wake the movers, do not keep the others from their queue."""
    broker = RedisStreamsBroker(url=server.url("worker"), namespace="stepstream")
    message = Message(queue_name="others", actor_name="act", args=(), kwargs={}, options={})
    broker.declare_queue("others")
    broker.enqueue_many([message, message.copy(message_id="second")], delay=60_000)
    broker.enqueue(message.copy(message_id="third"))

    with server.client("admin") as admin:
        assert admin.zcard("{stepstream:0}:due:others") == 2
        assert admin.xlen("{stepstream:0}:q:others") == 1
    broker.close()
