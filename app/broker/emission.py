"""
The broker's side of signals: which hooks are called, and what is done with what they enqueue.

Hooks that run after a message decide what follows from it: Dramatiq's own enqueue retries, callbacks and
the next step of a pipeline there. Sent at once, these would exist beside a message that is not yet
acknowledged, or, when sending fails, not at all. So they are collected in an outbox that leaves together
with the acknowledgement. A message whose hooks did not all run to their end is undecided.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dramatiq.broker import Broker
from dramatiq.middleware import Callbacks, Middleware, MiddlewareError, Retries, SkipMessage
from dramatiq.middleware.threading import Interrupt

from .errors import Release
from .message import Put, StreamProxy

if TYPE_CHECKING:
    from .presence import Presence

Hook = Callable[..., None]

#: These would count a message that was only handed back.
BLIND_TO_RELEASE = (Retries, Callbacks)
DECIDING_SIGNALS = frozenset({"process_message", "skip_message"})


class Hooks:
    """
    The real hooks of each signal in calling order: `before_*` forwards, `after_*` backwards.

    Dramatiq's middleware base class has an empty method for every signal; of some twenty calls per
    message almost all would reach one of these. Which are real is found out once.
    """

    def __init__(self, middleware: Sequence[Middleware]) -> None:
        self._middleware = middleware
        self._seen = len(middleware)
        self._by_signal: dict[str, tuple[tuple[Middleware, Hook], ...]] = {}

    def of(self, signal: str) -> tuple[tuple[Middleware, Hook], ...]:
        if len(self._middleware) != self._seen:
            self._seen, self._by_signal = len(self._middleware), {}
        hooks = self._by_signal.get(signal)
        if hooks is None:
            hooks = self._by_signal[signal] = tuple(self._find(signal))
        return hooks

    def _find(self, signal: str) -> list[tuple[Middleware, Hook]]:
        ordered = self._middleware if signal.startswith("before_") else reversed(self._middleware)
        empty = getattr(Middleware, signal, None)
        found = [(middleware, getattr(middleware, signal, None)) for middleware in ordered]
        return [(m, hook) for m, hook in found if hook is not None and getattr(hook, "__func__", hook) is not empty]


class Emission(Broker):
    """What `RedisStreamsBroker` does with signals; a part of it, not a broker by itself."""

    if TYPE_CHECKING:

        @property
        def presence(self) -> "Presence": ...

    def __init__(self, middleware: list[Middleware] | None = None) -> None:
        self._scope = threading.local()
        self._hooks = Hooks(())
        super().__init__(middleware=middleware)
        self._hooks = Hooks(self.middleware)

    @property
    def outbox(self) -> list[Put] | None:
        """Where an enqueue goes that a deciding hook makes in this thread; None elsewhere."""
        return getattr(self._scope, "outbox", None)

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        if signal == "process_message" and isinstance(args[0], StreamProxy):
            self._begin(args[0])
        elif signal == "worker_shutdown":
            # Before the hooks: one of them may wait for long, and hand back what we must not take again.
            self.presence.drain(args[0])
        elif signal == "worker_boot":
            # Also before the hooks: none of them shall start what an exit leaves behind.
            self.presence.check_server()
        for middleware, hook in self._hooks.of(f"before_{signal}"):
            try:
                hook(self, *args, **kwargs)
            except MiddlewareError:
                raise
            # A hook is foreign code: its bug is its own, the message goes on, as in every Dramatiq broker.
            except Exception:  # noqa: BLE001
                self._log_failure(f"before_{signal}", middleware)
        if signal == "worker_boot":
            self.presence.boot(args[0])

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        if signal in DECIDING_SIGNALS and isinstance(args[0], StreamProxy):
            self._decide(signal, args[0], kwargs)
        else:
            self._run_after(f"after_{signal}", args, kwargs)
        if signal == "worker_shutdown":
            self.presence.stop()

    def _begin(self, proxy: StreamProxy) -> None:
        if proxy.verdict is not None:
            raise SkipMessage("The message was given to another worker.")
        proxy.started_s = time.monotonic()
        if proxy.delivery > 1:
            self.presence.mark_begun(proxy)

    def _decide(self, signal: str, proxy: StreamProxy, outcome: dict[str, Any]) -> None:
        """Runs the hooks with an outbox; only when all of them ran to their end is the message decided."""
        released = isinstance(outcome.get("exception"), Release)
        proxy.decided, proxy.release_ms = False, outcome["exception"].delay_ms if released else None
        outbox: list[Put] = []
        self._scope.outbox = outbox
        try:
            clean = self._run_after(f"after_{signal}", (proxy,), outcome, skip=BLIND_TO_RELEASE if released else ())
        # Out of here an interrupt would end the worker thread, and the message would be decided by accident.
        except Interrupt as interrupt:
            self.logger.warning("hooks interrupted, message is undecided: %s %r", proxy.message_id, interrupt)
            clean = False
        finally:
            self._scope.outbox = None
        if clean:
            proxy.outbox, proxy.decided = outbox, True

    def _run_after(
        self, signal: str, args: tuple[Any, ...], kwargs: dict[str, Any], skip: tuple[type[Middleware], ...] = ()
    ) -> bool:
        clean = True
        for middleware, hook in self._hooks.of(signal):
            if skip and isinstance(middleware, skip):
                continue
            try:
                hook(self, *args, **kwargs)
            # As above: one hook's bug must not keep the others from running.
            except Exception:  # noqa: BLE001
                clean = False
                self._log_failure(signal, middleware)
        return clean

    def _log_failure(self, signal: str, middleware: Middleware) -> None:
        self.logger.critical("Unexpected failure in %s of %r.", signal, middleware, exc_info=True)
