"""Calls an agent so that nothing it does can harm the worker that runs it."""

import inspect
import math
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio import CapacityLimiter, from_thread, to_thread

from app.dispatch.context import StepContext
from app.dispatch.stops import Running
from app.errors import AgentError
from app.model.agents import AgentSpec, StepInput

SLOT_WAIT_S = 30.0


class AgentExited(AgentError):
    """The agent ended with something that is meant for a whole program: `sys.exit`, a stray cancellation."""

    code = "agent_exited"


class NoSlot(Exception):
    """No thread came free in time; nothing of the agent has run."""


class Invoker:
    """
    Runs agents: coroutines on the loop, plain functions in at most `threads_max` threads.

    A plain function keeps its slot until it has really ended: one that overran its time goes on in its
    thread, because a thread cannot be stopped, and must be counted as long as it does.
    """

    def __init__(self, threads_max: int) -> None:
        self._slots = CapacityLimiter(threads_max)
        self._unlimited = CapacityLimiter(math.inf)

    async def __call__(self, spec: AgentSpec, step: StepInput, context: StepContext, running: Running) -> object:
        """
        What the agent returns. Its time begins when it begins, not while it waits for a slot.

        When the time is over `running.scope` is cancelled. Raises `AgentExited`, `NoSlot`, or whatever the agent
        raises.
        """

        def begin() -> None:
            running.limit(context.timeout_s)
            context.deadline_s = min(context.deadline_s, time.monotonic() + context.timeout_s)

        try:
            if spec.asynchronous:
                begin()
                returned = spec.run(step, context)
                return await returned if inspect.isawaitable(returned) else returned
            return await self._in_thread(lambda: spec.run(step, context), begin)
        # An agent's ordinary errors are for the caller to judge.
        except Exception:
            raise
        # SystemExit and the like would end the event loop, and with it the work of every other step.
        except BaseException as error:
            ours = isinstance(error, anyio.get_cancelled_exc_class())
            if ours and anyio.current_effective_deadline() == -math.inf:
                raise
            raise AgentExited(f"The agent ended with {type(error).__name__}: {error}") from error
        finally:
            running.unlimit()

    async def _in_thread(self, call: Callable[[], object], begin: Callable[[], None]) -> object:
        borrower, began = object(), False

        def run() -> object:
            nonlocal began
            began = True
            try:
                return call()
            finally:
                # The loop may have ended before the thread did.
                with suppress(RuntimeError):
                    from_thread.run_sync(self._slots.release_on_behalf_of, borrower)

        # The message's lease and the audit count from its start: who waits for long had better wait elsewhere.
        with anyio.move_on_after(SLOT_WAIT_S) as wait:
            await self._slots.acquire_on_behalf_of(borrower)
        if wait.cancelled_caught:
            raise NoSlot
        try:
            begin()
            return await to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._unlimited)
        finally:
            if not began:
                self._slots.release_on_behalf_of(borrower)
