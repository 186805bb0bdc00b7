"""Calls an agent so that nothing it does can harm the worker that runs it."""

import inspect
import math
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio import CapacityLimiter, from_thread, to_thread

from app.dispatch.context import StepContext
from app.errors import AgentError
from app.model.agents import AgentSpec, StepInput


class AgentExited(AgentError):
    """The agent ended with something that is meant for a whole program: `sys.exit`, a stray cancellation."""

    code = "agent_exited"


class Invoker:
    """
    Runs agents: coroutines on the loop, plain functions in at most `threads_max` threads.

    A plain function keeps its slot until it has really ended: one that overran its time goes on in its
    thread, because a thread cannot be stopped, and must be counted as long as it does.
    """

    def __init__(self, threads_max: int) -> None:
        self._slots = CapacityLimiter(threads_max)
        self._unlimited = CapacityLimiter(math.inf)

    async def __call__(self, spec: AgentSpec, step: StepInput, context: StepContext, timeout_s: float) -> object:
        """
        What the agent returns. Its time begins when it begins, not while it waits for a slot.

        Raises `TimeoutError` after `timeout_s`, `AgentExited`, or whatever the agent raises.
        """
        try:
            if inspect.iscoroutinefunction(spec.run):
                with anyio.fail_after(timeout_s):
                    return await spec.run(step, context)
            return await self._in_thread(lambda: spec.run(step, context), timeout_s)
        # An agent's ordinary errors are for the caller to judge.
        except Exception:
            raise
        # SystemExit and the like would end the event loop, and with it the work of every other step.
        except BaseException as error:
            ours = isinstance(error, anyio.get_cancelled_exc_class())
            if ours and anyio.current_effective_deadline() == -math.inf:
                raise
            raise AgentExited(f"The agent ended with {type(error).__name__}: {error}") from error

    async def _in_thread(self, call: Callable[[], object], timeout_s: float) -> object:
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

        await self._slots.acquire_on_behalf_of(borrower)
        try:
            with anyio.fail_after(timeout_s):
                return await to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._unlimited)
        finally:
            if not began:
                self._slots.release_on_behalf_of(borrower)
