"""
The only wiring: clients, broker, the ordered list of middleware, services.

Whatever a process needs is put together here from `Settings`; everything else is handed its parts.
"""

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import redis
import redis.asyncio
from anyio import to_thread
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import local_redis, logs, redis_async
from app.broker.admin import QueueAdmin, QueueStats
from app.broker.broker import RedisStreamsBroker
from app.config import Settings
from app.dispatch.dispatcher import Dispatcher, SubmissionLimits
from app.dispatch.invoke import Invoker
from app.dispatch.portal import AgentRuntime, declare_agent_actors
from app.dispatch.reader import TaskReader
from app.dispatch.runner import RunnerOptions, StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.store import StoreLimits, TaskStore
from app.events.hub import Hub
from app.events.log import EventLog
from app.events.middleware import EventBus
from app.keys import Keys
from app.model.agents import AgentRegistry, registry
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits

QueueDepths = Callable[[], Awaitable[dict[str, QueueStats]]]

BUILT_IN_AGENTS = ("actors.retriever", "actors.analyzer", "actors.writer")

#: A request is answered with 503 rather than kept waiting; a worker holds a result it cannot store yet.
API_RETRY_MS_MAX = 1_500
WORKER_RETRY_MS_MAX = 60_000


@dataclass(frozen=True, slots=True)
class ApiServices:
    """What the HTTP edge works with."""

    settings: Settings
    redis: "redis.asyncio.Redis"
    keys: Keys
    registry: AgentRegistry
    dispatcher: Dispatcher
    store: TaskReader
    log: EventLog
    hub: Hub
    queues: QueueDepths


def load_agents(settings: Settings) -> AgentRegistry:
    """Imports the built-in and the user's agents by module name; importing them does no I/O."""
    for module in (*BUILT_IN_AGENTS, *settings.agent_modules):
        importlib.import_module(module)
    return registry


@asynccontextmanager
async def api_services(settings: Settings) -> AsyncIterator[ApiServices]:
    """The services of an API process, from start to stop."""
    logs.configure()
    keys = Keys(settings.namespace)
    agents = load_agents(settings)
    url = local_redis.redis_url(settings)
    client = redis_async.connect(url, client_name="stepstream-api")
    admin_client = _sync_client(url)
    reader = TaskReader(client, keys, retry_ms_max=API_RETRY_MS_MAX)
    store = _store(client, keys, settings, API_RETRY_MS_MAX)
    dispatcher = Dispatcher(
        planner=RulePlanner(),
        registry=agents,
        store=store,
        limits=_submission_limits(settings),
        collections=frozenset(settings.collections),
    )
    log = EventLog(client, keys)
    hub = Hub(client, keys, log, viewer_queue_max=settings.viewer_queue_max, viewers_max=settings.viewers_max)
    try:
        async with hub:
            yield ApiServices(
                settings=settings,
                redis=client,
                keys=keys,
                registry=agents,
                dispatcher=dispatcher,
                store=reader,
                log=log,
                hub=hub,
                queues=_queue_stats(admin_client, keys, agents),
            )
    finally:
        await client.aclose()
        admin_client.close()


def worker_broker(settings: Settings | None = None) -> RedisStreamsBroker:
    """
    The broker of a worker process, with one actor per agent; no connection is opened before it boots.

    The middleware, in order: the event bus sees a message first and last; the runtime owns the event loop
    in which agents run. Dramatiq's Retries and TimeLimit are not among them, because steps are retried and
    timed out one by one by dispatch.
    """
    settings = settings or Settings()
    logs.configure()
    url = local_redis.redis_url(settings)
    agents = load_agents(settings)
    runtime = AgentRuntime(_runner_factory(url, settings, agents), grace_ms=settings.shutdown_grace_ms)
    broker = RedisStreamsBroker(
        url=url,
        namespace=settings.namespace,
        lease_ms=settings.lease_ms,
        lookahead=0,  # a step fetched ahead would wait here while another process is idle
        middleware=[
            EventBus(lambda: _sync_client(url), Keys(settings.namespace).fire),
            runtime,
        ],
    )
    declare_agent_actors(broker, agents, runtime)
    return broker


def _runner_factory(
    url: str, settings: Settings, agents: AgentRegistry
) -> Callable[[str], AbstractAsyncContextManager[StepRunner]]:
    @asynccontextmanager
    async def open_runner(worker: str) -> AsyncIterator[StepRunner]:
        keys = Keys(settings.namespace)
        client = redis_async.connect(url, client_name="stepstream-worker")
        options = RunnerOptions(
            result_bytes_max=settings.result_bytes_max,
            cache_dir=settings.data_dir / "cache",
            collections=settings.collections,
        )
        try:
            yield StepRunner(
                store=_store(client, keys, settings, WORKER_RETRY_MS_MAX),
                reader=TaskReader(client, keys, retry_ms_max=WORKER_RETRY_MS_MAX),
                registry=agents,
                worker=worker,
                options=options,
                invoke=Invoker(settings.agent_threads_max),
            )
        finally:
            await client.aclose()

    return open_runner


def _store(client: "redis.asyncio.Redis", keys: Keys, settings: Settings, retry_ms_max: int) -> TaskStore:
    limits = StoreLimits(
        events_max=settings.events_max,
        backlog_max=settings.backlog_max,
        crashes_max=settings.crashes_max,
        retention_ms=settings.retention_s * 1000,
    )
    return TaskStore(ScriptRunner(client, retry_ms_max=retry_ms_max), keys, limits)


def _submission_limits(settings: Settings) -> SubmissionLimits:
    return SubmissionLimits(
        task_chars_max=settings.task_chars_max,
        documents_max=settings.documents_max,
        documents_bytes_max=settings.documents_bytes_max,
        plan=PlanLimits(steps_max=settings.plan_steps_max, payload_bytes_max=settings.payload_bytes_max),
    )


def _queue_stats(client: "redis.Redis", keys: Keys, agents: AgentRegistry) -> QueueDepths:
    admin = QueueAdmin(client, keys.namespace, keys.shard)
    queues = sorted({agent.queue for agent in agents})

    async def stats() -> dict[str, QueueStats]:
        return await to_thread.run_sync(admin.stats_of, queues)

    return stats


def _sync_client(url: str) -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(
        url, protocol=2, socket_timeout=redis_async.SOCKET_TIMEOUT_S,
        socket_connect_timeout=redis_async.CONNECT_TIMEOUT_S, retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    return client
