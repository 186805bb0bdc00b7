"""
The only wiring: clients, broker, the ordered list of middleware, services.

Whatever a process needs is put together here from `Settings`; everything else is handed its parts.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import anyio
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import bounds, local_redis, redis_async
from app.access.keystore import KeyStore
from app.access.limiter import RateLimiter
from app.access.streams import StreamPlaces
from app.access.tenancy import Tenancy
from app.broker.admin import QueueAdmin
from app.broker.broker import SHARED_STREAM, RedisStreamsBroker
from app.config import Settings
from app.dispatch.dispatcher import Dispatcher
from app.dispatch.execute import Executor
from app.dispatch.fleet import Fleet
from app.dispatch.housekeeping import Housekeeper
from app.dispatch.invoke import Invoker
from app.dispatch.listing import TaskList
from app.dispatch.portal import AgentRuntime, declare_agent_actors
from app.dispatch.reader import TaskReader
from app.dispatch.runner import StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepLimits, StepStore
from app.dispatch.stops import Stops
from app.dispatch.store import TaskStore
from app.draining import Draining
from app.events.firehose import Firehose
from app.events.hub import Hub
from app.events.log import EventLog
from app.events.middleware import EventBus
from app.events.waiters import Waiters
from app.keys import Keys
from app.llm.door import LlmDoor
from app.llm.door import opened as llm_opened
from app.model.agents import AgentRegistry
from app.planning.llm_planner import LlmPlanner
from app.planning.planners import Planners
from app.planning.rules import RulePlanner
from app.redis_shared import SharedConnection
from app.startup import begin_worker, load_agents
from app.watching import watching

#: A request is answered with 503 rather than kept waiting; a worker holds a result it cannot store yet.
API_RETRY_MS_MAX = 1_500
WORKER_RETRY_MS_MAX = 60_000
PAGES_MAX = 2


@dataclass(frozen=True, slots=True)
class Access:
    """What decides who may do what, how often and how much at once."""

    keystore: KeyStore
    tenancy: Tenancy
    limiter: RateLimiter
    streams: StreamPlaces


@dataclass(frozen=True, slots=True)
class ApiServices:
    """What the HTTP edge works with."""

    settings: Settings
    redis: "redis.asyncio.Redis"
    keys: Keys
    registry: AgentRegistry
    dispatcher: Dispatcher
    store: TaskReader
    tasks: TaskList
    log: EventLog
    hub: Hub
    firehose: Firehose
    fleet: Fleet
    waiters: Waiters
    #: Turns to make a page for a browser, which keeps a thread busy.
    pages: anyio.CapacityLimiter
    access: Access
    draining: Draining


@asynccontextmanager
async def api_services(settings: Settings) -> AsyncIterator[ApiServices]:
    """The services of an API process, from start to stop."""
    keys = Keys(settings.namespace)
    agents = load_agents(settings)
    url = local_redis.redis_url(settings)
    client = redis_async.connect(url, client_name="stepstream-api")
    admin_client = _sync_client(url)
    reader = TaskReader(client, keys, retry_ms_max=API_RETRY_MS_MAX)
    shared = SharedConnection(client)
    scripts = ScriptRunner(shared, keys, API_RETRY_MS_MAX, shared_stream(settings))
    store = TaskStore(scripts, bounds.task_limits(settings))
    housekeeper = Housekeeper(store, audit_interval_ms=settings.audit_interval_ms)
    try:
        async with (
            llm_opened(bounds.llm_options(settings)) as llm,
            watching(client, keys, settings, retry_ms_max=API_RETRY_MS_MAX) as watch,
            _running(housekeeper),
        ):
            dispatcher = Dispatcher(
                planners=_planners(llm, agents, settings),
                registry=agents,
                store=store,
                reader=reader,
                limits=bounds.submission_limits(settings),
                collections=frozenset(settings.collections),
                on_deadline=housekeeper.wake,
            )
            yield ApiServices(
                settings=settings,
                redis=client,
                keys=keys,
                registry=agents,
                dispatcher=dispatcher,
                store=reader,
                tasks=TaskList(client, keys),
                log=watch.log,
                hub=watch.hub,
                firehose=watch.firehose,
                fleet=Fleet(_admin(admin_client, settings), agents, store),
                waiters=watch.waiters,
                pages=anyio.CapacityLimiter(PAGES_MAX),
                access=_access(shared, keys, settings),
                draining=watch.draining,
            )
    finally:
        await shared.aclose()
        await client.aclose()
        admin_client.close()


def _planners(llm: LlmDoor | None, agents: AgentRegistry, settings: Settings) -> Planners:
    model = LlmPlanner(llm.conversation, agents, settings.planner_s_max) if llm else None
    return Planners(RulePlanner(), model, settings.planner)


def _access(shared: SharedConnection, keys: Keys, settings: Settings) -> Access:
    return Access(
        keystore=KeyStore(shared, keys, retry_ms_max=API_RETRY_MS_MAX),
        tenancy=Tenancy(shared, keys, retry_ms_max=API_RETRY_MS_MAX),
        limiter=RateLimiter(
            shared, keys, submit_per_min=settings.rate_submit_per_min, read_per_min=settings.rate_read_per_min
        ),
        streams=StreamPlaces(settings.key_streams_max),
    )


def worker_broker(settings: Settings | None = None) -> RedisStreamsBroker:
    """
    The broker of a worker process, with one actor per agent; no connection is opened before it boots.

    The middleware, in order: the event bus sees a message first and last; the runtime owns the event loop
    in which agents run. Dramatiq's Retries and TimeLimit are not among them, because steps are retried and
    timed out one by one by dispatch.
    """
    settings = settings or begin_worker()
    url = local_redis.redis_url(settings)
    agents = load_agents(settings)
    runtime = AgentRuntime(
        _runner_factory(url, settings, agents), grace_ms=settings.shutdown_grace_ms, alone_from=settings.crashes_max
    )
    broker = RedisStreamsBroker(
        url=url,
        namespace=settings.namespace,
        lease_ms=settings.lease_ms,
        layout=settings.layout,
        about=runtime.about,
        lookahead_min=0,  # a long step fetched ahead would wait here while another process is idle
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
        shared = SharedConnection(client)
        scripts = ScriptRunner(shared, keys, WORKER_RETRY_MS_MAX, shared_stream(settings))
        store = StepStore(scripts, StepLimits(events_max=settings.events_max, crashes_max=settings.crashes_max))
        stops = Stops(client, keys.stops(worker), store.unwanted)
        tasks = TaskStore(scripts, bounds.task_limits(settings))
        try:
            async with (
                llm_opened(bounds.llm_options(settings)) as llm,
                stops.listening(),
                _running(Housekeeper(tasks, audit_interval_ms=settings.audit_interval_ms)),
            ):
                executor = Executor(
                    store=store,
                    reader=TaskReader(client, keys, retry_ms_max=WORKER_RETRY_MS_MAX),
                    registry=agents,
                    options=bounds.executor_options(settings),
                    invoke=Invoker(settings.agent_threads_max),
                    llm=llm,
                )
                yield StepRunner(store, executor, stops, worker)
        finally:
            await shared.aclose()
            await client.aclose()

    return open_runner


@asynccontextmanager
async def _running(housekeeper: Housekeeper) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(housekeeper.run)
        yield
        group.cancel_scope.cancel()


def shared_stream(settings: Settings) -> str:
    """The stream of the layout `single`, or nothing when each queue has its own."""
    return SHARED_STREAM if settings.layout == "single" else ""


def _admin(client: "redis.Redis", settings: Settings) -> QueueAdmin:
    return QueueAdmin(client, settings.namespace, shared=shared_stream(settings))


def _sync_client(url: str) -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(
        url, protocol=2, socket_timeout=redis_async.SOCKET_TIMEOUT_S,
        socket_connect_timeout=redis_async.CONNECT_TIMEOUT_S, retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    return client
