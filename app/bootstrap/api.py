"""The wiring of an API process: its clients and services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import redis
import redis.asyncio

from app import local_redis, redis_async
from app.access.keystore import KeyStore
from app.access.limiter import RateLimiter
from app.access.streams import StreamPlaces
from app.access.tenancy import Tenancy
from app.bootstrap import bounds
from app.bootstrap.common import shared_stream, sync_client
from app.bootstrap.startup import load_agents
from app.bootstrap.upkeep import kept_up
from app.bootstrap.watching import watching
from app.broker.admin import QueueAdmin
from app.config import Settings
from app.dispatch.counting import TaskCounter
from app.dispatch.dispatcher import Dispatcher
from app.dispatch.fleet import Fleet
from app.dispatch.history import QueueHistory
from app.dispatch.listing import TaskList
from app.dispatch.presence import ApiPresence
from app.dispatch.reader import TaskReader
from app.dispatch.replicas import Replicas
from app.dispatch.scripts import ScriptRunner
from app.dispatch.sieve import Sieve
from app.dispatch.store import TaskStore
from app.draining import Draining
from app.events.firehose import Firehose
from app.events.hub import Hub
from app.events.log import EventLog
from app.events.waiters import Waiters
from app.keys import Keys
from app.llm.door import LlmDoor
from app.llm.door import opened as llm_opened
from app.metrics.prometheus.reading import TruthReader
from app.model.agents import AgentRegistry
from app.planning.llm_planner import LlmPlanner
from app.planning.planners import Planners
from app.planning.rules import RulePlanner
from app.preflight.watch import looking
from app.redis_shared import SharedConnection
from app.tracing.door import opened as tracing_opened
from app.tracing.tracer import Tracer

#: A request is answered with 503 rather than kept waiting.
API_RETRY_MS_MAX = 1_500
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
    reader: TaskReader
    tasks: TaskList
    counter: TaskCounter
    log: EventLog
    hub: Hub
    firehose: Firehose
    fleet: Fleet
    history: QueueHistory
    presence: ApiPresence
    truth: TruthReader
    waiters: Waiters
    #: Turns to make a page for a browser, which keeps a thread busy.
    pages: anyio.CapacityLimiter
    access: Access
    draining: Draining
    tracer: Tracer


@asynccontextmanager
async def api_services(settings: Settings) -> AsyncIterator[ApiServices]:
    """The services of an API process, from start to stop."""
    keys = Keys(settings.namespace)
    agents = load_agents(settings)
    async with _clients(local_redis.redis_url(settings)) as (client, shared, admin_client):
        reader = TaskReader(client, keys, retry_ms_max=API_RETRY_MS_MAX)
        scripts = ScriptRunner(shared, keys, API_RETRY_MS_MAX, shared_stream(settings))
        store = TaskStore(scripts, bounds.task_limits(settings))
        tasks = TaskList(client, keys, Sieve(scripts))
        fleet = Fleet(_admin(admin_client, settings), agents, store)
        async with (
            tracing_opened(settings.tracing, "api") as tracer,
            looking(),
            llm_opened(bounds.llm_options(settings), tracer) as llm,
            watching(client, keys, settings, retry_ms_max=API_RETRY_MS_MAX) as watch,
            kept_up(client, settings, agents, store, fleet, watch) as upkeep,
        ):
            dispatcher = Dispatcher(
                planners=_planners(llm, agents, settings),
                registry=agents,
                store=store,
                reader=reader,
                limits=bounds.submission_limits(settings),
                collections=frozenset(settings.collections),
                on_deadline=upkeep.housekeeper.wake,
                replicas=Replicas(client, keys, confirmed_min=settings.replicas_min, wait_ms=settings.replicas_wait_ms),
                tracer=tracer,
            )
            yield ApiServices(
                settings=settings,
                redis=client,
                keys=keys,
                registry=agents,
                dispatcher=dispatcher,
                reader=reader,
                tasks=tasks,
                counter=TaskCounter(client, keys, tasks),
                log=watch.log,
                hub=watch.hub,
                firehose=watch.firehose,
                fleet=fleet,
                history=upkeep.history,
                presence=upkeep.presence,
                truth=TruthReader(client, keys, fleet, agents),
                waiters=watch.waiters,
                pages=anyio.CapacityLimiter(PAGES_MAX),
                access=_access(shared, keys, settings),
                draining=watch.draining,
                tracer=tracer,
            )


@asynccontextmanager
async def _clients(url: str) -> AsyncIterator[tuple["redis.asyncio.Redis", SharedConnection, "redis.Redis"]]:
    """A pool, the one connection for transitions, and a client for what is synchronous; all closed afterwards."""
    client = redis_async.connect(url, client_name="stepstream-api")
    admin_client = sync_client(url)
    shared = SharedConnection(client)
    try:
        yield client, shared, admin_client
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


def _admin(client: "redis.Redis", settings: Settings) -> QueueAdmin:
    return QueueAdmin(client, settings.namespace, shared=shared_stream(settings))
