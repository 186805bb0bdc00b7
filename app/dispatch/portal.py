"""
The bridge between Dramatiq's threads and the one event loop of a worker process.

A Dramatiq actor is a plain function in a worker thread: it hands its batch to the loop and waits, so a
batch of N steps does its I/O concurrently and there is one, asynchronous, implementation of dispatch.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from threading import Event, Lock, Thread, local
from typing import Any

import anyio
import dramatiq
import structlog
from anyio.from_thread import BlockingPortal, start_blocking_portal
from dramatiq.middleware import Middleware, MiddlewareError
from structlog.contextvars import bind_contextvars, unbind_contextvars

from app.broker.broker import RedisStreamsBroker
from app.broker.errors import Release
from app.dispatch.attempt import Attempt
from app.dispatch.leaving import HAND_BACK_S, Leaving, Requests, release_all
from app.dispatch.runner import StepRunner
from app.dispatch.traces import processing
from app.dispatch.worker_report import report
from app.errors import Unavailable
from app.logs.setup import identify, in_dramatiq_command
from app.model.agents import AgentRegistry

WATCH_INTERVAL_S = 1.0
EXIT_LOOP_DIED = 70  # EX_SOFTWARE of sysexits(3)
EXIT_USAGE = 2

log = structlog.get_logger(__name__)

OpenRunner = Callable[[str], AbstractAsyncContextManager[StepRunner]]


class AgentRuntime(Middleware):
    """
    Owns the loop and the runner of a worker process, from its boot to its shutdown.

    Without it the agents' actors have nowhere to run. A batch whose workers died is run alone from its
    delivery number `alone_from` on. At shutdown the runner drains: no batch starts any
    more, and what does not finish within `grace_ms` goes back to its queue without costing an attempt.
    """

    def __init__(self, open_runner: OpenRunner, *, grace_ms: int, alone_from: int = 3) -> None:
        self._open_runner = open_runner
        self._grace_ms = grace_ms
        self._alone_from = max(2, alone_from)
        self._message = local()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: StepRunner | None = None
        self._stopping = Event()
        self._leaving = Leaving(grace_ms)
        self._held_up = False
        self._in_command = False

    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        queues = worker.consumer_whitelist or broker.get_declared_queues()
        if unknown := queues - broker.get_declared_queues():
            # Dramatiq would begin, and read nothing for ever.
            log.critical("queues_unknown", names=sorted(unknown), known=sorted(broker.get_declared_queues()))
            sys.exit(EXIT_USAGE)
        try:
            self._open(broker.worker_id, queues)
        # Dramatiq would log any other error and go on with a worker that can run nothing.
        except Exception as error:
            raise MiddlewareError(f"the event loop for agents did not start: {error!r}") from error

    def _open(self, worker_id: str, queues: Collection[str]) -> None:
        options = {"use_uvloop": sys.platform != "win32"}
        identify(worker=worker_id)
        self._in_command = in_dramatiq_command() and threading.current_thread() is threading.main_thread()
        if self._in_command:
            Requests(self._hurry).listen()
        self._portal = self._stack.enter_context(start_blocking_portal("asyncio", options))
        self._loop = self._portal.call(_running_loop)
        runner = self._portal.wrap_async_context_manager(self._open_runner(worker_id))
        self._runner = self._stack.enter_context(runner)
        self._runner.queues = queues
        Thread(target=self._watch, args=(self._portal,), name="loop-watch", daemon=True).start()

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:
        """
        Returns when no batch runs any more, so that Dramatiq's own limit of the shutdown counts from then on.

        An agent that cannot be stopped keeps its thread, or the loop. Then what runs is handed back by another loop,
        and a process that is Dramatiq's own ends; in any other program that is not ours to decide.
        """
        if self._loop is None or self._runner is None:
            return
        log.info("worker_draining", attempts=len(self._runner.stops.running), grace_ms=self._grace_ms)
        if self._in_command:
            self._leaving.end_in_time()
        if self._leaving.wait(asyncio.run_coroutine_threadsafe(self._drain(self._runner), self._loop)):
            return
        self._held_up = True
        if running := [one.attempt for one in self._runner.stops.running]:
            log.error("agents_do_not_stop", attempts=[f"{one.ref.task_id}/{one.ref.step_id}" for one in running])
            anyio.run(self._release, broker.worker_id, running)
        else:
            # The agents did: what is left waits for an answer of Redis.
            log.warning("batches_unsettled")
        broker.presence.abandon(worker)
        if self._in_command:
            broker.emit_after("worker_shutdown", worker)
            os._exit(0)

    async def _drain(self, runner: StepRunner) -> bool:
        await runner.drain(self._grace_ms)
        return await runner.ended(HAND_BACK_S)

    async def _release(self, worker_id: str, attempts: Sequence[Attempt]) -> None:
        with anyio.move_on_after(HAND_BACK_S), suppress(Unavailable):
            async with self._open_runner(worker_id) as runner:
                await release_all(runner.store, attempts)

    def _hurry(self) -> None:
        """Called in the main thread, by a signal."""
        self._leaving.hurry()
        if self._loop and self._runner:
            self._loop.call_soon_threadsafe(self._runner.hand_back)

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:
        self._stopping.set()
        # A loop that something holds would be waited for.
        if not self._held_up:
            self._stack.close()

    def after_nack(self, broker: Any, message: Any) -> None:
        """A batch that the broker gave up (no such actor here, say) fails its steps, so that its task learns of it."""
        args = message.args
        if self._portal and self._runner and len(args) == 2 and all(isinstance(arg, str) for arg in args):
            with processing(self._runner.tracer, args[0], args[1], message):
                self._portal.start_task_soon(self._runner.run_batch, args[0], args[1])

    @property
    def actor_options(self) -> set[str]:
        """Of an actor's `throws` Dramatiq's worker makes a line, of anything else a traceback."""
        return {"throws"}

    def before_process_message(self, broker: Any, message: Any) -> None:
        self._message.delivery, self._message.itself = getattr(message, "delivery", 1), message
        bind_contextvars(message_id=message.message_id)
        # What is bound in this thread is also bound where the loop runs the batch.
        if trace := message.options.get("traceparent"):
            bind_contextvars(trace=trace)

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        unbind_contextvars("message_id", "trace")

    def after_skip_message(self, broker: Any, message: Any) -> None:
        unbind_contextvars("message_id", "trace")

    def about(self) -> dict[str, str]:
        """What this process adds to its reports; asked by the thread that reports."""
        return report(self._runner.stops.running if self._runner else [])

    def run(self, task_id: str, spec: str) -> None:
        """Runs a batch on the loop and waits for it; raises `Release` when it must be delivered again."""
        if self._loop is None or self._runner is None:
            raise Release("this process runs no agents")
        try:
            alone = getattr(self._message, "delivery", 1) >= self._alone_from
            # As with what is bound above: the span of this thread is the one above the spans of the loop.
            with processing(self._runner.tracer, task_id, spec, getattr(self._message, "itself", None)):
                _call(self._loop, self._runner.run_batch(task_id, spec, alone=alone))
        except Release:
            raise
        # A defect of the runner must not lose the batch: it is delivered again, and a step that keeps
        # failing this way counts as crashed and is buried by start.lua.
        except (Exception, asyncio.CancelledError) as error:
            raise Release(f"the runner failed: {error!r}", delay_ms=1000) from error

    def _watch(self, portal: BlockingPortal) -> None:
        """A process whose loop has ended would take work for ever and do none: it ends, and is replaced."""
        while not self._stopping.wait(WATCH_INTERVAL_S):
            try:
                portal.start_task_soon(anyio.sleep, 0)
            except RuntimeError:
                if not self._stopping.is_set():
                    log.critical("event_loop_died")
                    os._exit(EXIT_LOOP_DIED)


def _call(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    """
    Runs the coroutine on the loop and waits for it; raises what it raises.

    A plain lock, where the portal's own call and `run_coroutine_threadsafe` build a future with a condition:
    for a step that does nothing their hand-over costs as much as the step.
    """
    done = Lock()
    done.acquire()
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        tasks.append(loop.create_task(work))
        tasks[0].add_done_callback(lambda _: done.release())

    try:
        loop.call_soon_threadsafe(begin)
    except RuntimeError:
        work.close()
        raise
    while not done.acquire(timeout=WATCH_INTERVAL_S):
        if loop.is_closed():
            raise RuntimeError("the event loop was closed")
    tasks[0].result()


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def declare_agent_actors(broker: RedisStreamsBroker, registry: AgentRegistry, runtime: AgentRuntime) -> None:
    """One Dramatiq actor per agent, named like it, on its queue."""

    def run(task_id: str, spec: str) -> None:
        runtime.run(task_id, spec)

    for agent in registry:
        dramatiq.actor(actor_name=agent.name, queue_name=agent.queue, broker=broker, throws=Release)(run)
