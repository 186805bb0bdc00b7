"""The wiring of a worker process: the broker, the ordered list of its middleware, what runs a step."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from app import local_redis, redis_async
from app.bootstrap import bounds
from app.bootstrap.common import running, shared_stream, sync_client
from app.bootstrap.forks import export_metrics
from app.bootstrap.startup import begin_worker, load_agents
from app.broker.broker import RedisStreamsBroker
from app.config import Settings
from app.dispatch.execute import Executor
from app.dispatch.housekeeping import Housekeeper
from app.dispatch.invoke import Invoker
from app.dispatch.observing import Unobserved
from app.dispatch.portal import AgentRuntime, declare_agent_actors
from app.dispatch.reader import TaskReader
from app.dispatch.runner import StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepLimits, StepStore
from app.dispatch.stops import Stops
from app.dispatch.store import TaskStore
from app.events.middleware import EventBus
from app.heartbeat import beating
from app.keys import Keys
from app.llm.door import opened as llm_opened
from app.metrics.run_folder import places
from app.metrics.worker_middleware import WorkerMetrics
from app.model.agents import AgentRegistry
from app.preflight.watch import looking
from app.redis_shared import SharedConnection
from app.redis_urls import is_watched
from app.tracing.door import opened as tracing_opened

#: A worker holds a result that it cannot store yet.
WORKER_RETRY_MS_MAX = 60_000


def worker_broker(settings: Settings | None = None) -> RedisStreamsBroker:
    """
    The broker of a worker process, with one actor per agent; no connection is opened before it boots.

    The middleware, in order: the event bus sees a message first and last; the metrics open their counts, and close
    them behind what is counted; the runtime owns the event loop in which agents run. Dramatiq's Retries and TimeLimit
    are not among them, because steps are retried and timed out one by one by dispatch.
    """
    settings = settings or begin_worker()
    url = local_redis.redis_url(settings)
    agents = load_agents(settings)
    metrics = WorkerMetrics(places(settings.data_dir), export_metrics)
    runtime = AgentRuntime(
        _runner_factory(url, settings, agents, metrics),
        grace_ms=settings.shutdown_grace_ms,
        alone_from=settings.crashes_max,
    )
    broker = RedisStreamsBroker(
        url=url,
        client=sync_client(url) if is_watched(url) else None,
        namespace=settings.namespace,
        lease_ms=settings.lease_ms,
        layout=settings.layout,
        about=lambda: metrics.about() | runtime.about(),
        lookahead_min=0,  # a long step fetched ahead would wait here while another process is idle
        middleware=[
            EventBus(lambda: sync_client(url), Keys(settings.namespace).fire),
            *([metrics] if settings.metrics else []),
            runtime,
        ],
    )
    declare_agent_actors(broker, agents, runtime)
    return broker


def _runner_factory(
    url: str, settings: Settings, agents: AgentRegistry, metrics: WorkerMetrics
) -> Callable[[str], AbstractAsyncContextManager[StepRunner]]:
    @asynccontextmanager
    async def open_runner(worker: str) -> AsyncIterator[StepRunner]:
        keys = Keys(settings.namespace)
        client = redis_async.connect(url, client_name="stepstream-worker")
        shared = SharedConnection(client)
        scripts = ScriptRunner(shared, keys, WORKER_RETRY_MS_MAX, shared_stream(settings), metrics.redis_retried)
        store = StepStore(scripts, StepLimits(events_max=settings.events_max, crashes_max=settings.crashes_max))
        stops = Stops(client, keys.stops(worker), store.unwanted)
        tasks = TaskStore(scripts, bounds.task_limits(settings))
        try:
            async with (
                tracing_opened(settings.tracing, "workers") as tracer,
                llm_opened(bounds.llm_options(settings), tracer) as llm,
                stops.listening(),
                beating(settings.data_dir),
                looking(),
                running(Housekeeper(tasks, audit_interval_ms=settings.audit_interval_ms)),
            ):
                executor = Executor(
                    store=store,
                    reader=TaskReader(client, keys, retry_ms_max=WORKER_RETRY_MS_MAX, on_retry=metrics.redis_retried),
                    registry=agents,
                    options=bounds.executor_options(settings),
                    invoke=Invoker(settings.agent_threads_max),
                    llm=llm,
                    tracer=tracer,
                )
                yield StepRunner(store, executor, stops, worker, metrics.counts or Unobserved(), tracer=tracer)
        finally:
            await shared.aclose()
            await client.aclose()

    return open_runner
