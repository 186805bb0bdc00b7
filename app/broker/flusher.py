"""
The thread that tells the server what became of messages.

Workers only leave their decision here; whatever piles up while one call is under way goes out with the
next. It repeats until the server has it. A crash in between delivers those messages again: at least
once, as promised.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence

import redis
from redis.exceptions import NoScriptError, RedisError

from .connections import Line, pack
from .errors import is_passing
from .reporting import reporter
from .retrying import CALL_BACKOFF, JITTER
from .settlement import Call, Clerk, Settled

logger = reporter(__name__)

CALLS_PER_FLUSH_MAX = 200
#: Decisions that may wait before workers do; reached only when Redis can be read but not written.
BACKLOG_MAX = 10_000
INLINE_PATIENCE_MS = 5_000
#: Pause after each flush: what arrives meanwhile goes out together. The first after a rest goes at once.
GATHER_S = 0.004


class Flusher:
    """
    Collects decisions and writes them. Until `start`, each one is written before `add` returns.

    The server checks that each entry is still ours: what another worker runs by now is neither
    acknowledged nor doubled.
    """

    def __init__(self, client: "redis.Redis", clerk: Clerk) -> None:
        self._client = client
        self._line = Line(client)
        self._clerk = clerk
        self._gathered: deque[Settled] = deque()
        self._arrived = threading.Event()
        self._stopping = False
        self._give_up_s: float | None = None
        self._thread: threading.Thread | None = None
        self._inline = threading.Lock()

    def start(self) -> None:
        self._stopping, self._give_up_s = False, None
        self._thread = threading.Thread(target=self._run, name="broker-flusher", daemon=True)
        self._thread.start()

    def stop(self, patience_ms: int) -> None:
        """Writes what is left, for at most so long, and ends the thread."""
        if self._thread is None:
            return
        self._give_up_s = time.monotonic() + patience_ms / 1000
        self._stopping = True
        self._arrived.set()
        self._thread.join()
        self._thread = None
        self._flush_inline()
        self._line.hang_up()

    def add(self, settled: Settled) -> None:
        while len(self._gathered) >= BACKLOG_MAX and self._thread is not None:
            time.sleep(0.01)
        self._gathered.append(settled)
        if self._thread is None:
            self._flush_inline()
        elif not self._arrived.is_set():
            self._arrived.set()

    def _flush_inline(self) -> None:
        with self._inline:
            self._give_up_s = time.monotonic() + INLINE_PATIENCE_MS / 1000
            self._flush()

    def _run(self) -> None:
        while not self._stopping:
            self._arrived.wait()
            self._arrived.clear()
            self._flush()
            if not self._stopping:
                time.sleep(GATHER_S)

    def _flush(self) -> None:
        while self._gathered:
            batch = [self._gathered.popleft() for _ in range(len(self._gathered))]
            try:
                calls = list(self._clerk.calls(batch))
                for start in range(0, len(calls), CALLS_PER_FLUSH_MAX):
                    self._write(calls[start : start + CALLS_PER_FLUSH_MAX])
            # The thread must survive any bug: without it nothing would ever be acknowledged again.
            except Exception:
                logger.critical("flush failed, entries will be delivered again", exc_info=True)
                for settled in batch:
                    settled.forget()

    def _write(self, calls: Sequence[Call]) -> None:
        failures = 0
        while calls := self._attempt(calls):
            failures += 1
            if self._give_up_s is not None and time.monotonic() >= self._give_up_s:
                logger.error("gave up settling, entries will be delivered again", extra={"calls": len(calls)})
                for call in calls:
                    call.forget()
                return
            if failures == 1:
                logger.warning("settling waits for redis", extra={"calls": len(calls)})
            time.sleep(CALL_BACKOFF.delay_ms(failures, JITTER) / 1000)
        if failures:
            logger.warning("settling goes on", extra={"failures": failures})

    def _attempt(self, calls: Sequence[Call]) -> Sequence[Call]:
        """Sends the calls and returns those that must be sent again."""
        try:
            replies = self._send(calls)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                self._load(calls)
                replies = self._send(calls)
        except (RedisError, OSError) as error:
            # Errors of single calls come as replies; this one concerns the connection.
            if not is_passing(error):
                raise
            return calls
        return [call for call, reply in zip(calls, replies, strict=True) if not self._finish(call, reply)]

    def _send(self, calls: Sequence[Call]) -> list[object]:
        # Not a transaction: 7.0 refuses allow-oom scripts inside MULTI when memory is short.
        return self._line.exchange_all(
            [pack("EVALSHA", call.script.sha1, len(call.keys), *call.keys, *call.args) for call in calls]
        )

    def _load(self, calls: Sequence[Call]) -> None:
        for script in {call.script for call in calls}:
            self._client.script_load(script.source)

    def _finish(self, call: Call, reply: object) -> bool:
        if isinstance(reply, NoScriptError) or (isinstance(reply, Exception) and is_passing(reply)):
            return False
        if isinstance(reply, Exception):
            values = {"script": call.script.name, "error": str(reply)}
            logger.critical("not settled, entries will be delivered again", extra=values)
        else:
            call.done(call, reply)
        call.forget()
        return True
