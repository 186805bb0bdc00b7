"""What an agent sees of the world while it runs one step."""

import hashlib
import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import JsonValue

from app.errors import Permanent
from app.model.agents import StepOutput
from app.model.events import CitationsVerified, EventData, OutputDelta, Passage, SourceFound, StepProgress
from app.model.llm import Llm
from app.model.task import Document, TaskInputs

Emit = Callable[[EventData], Awaitable[None]]
LoadDocuments = Callable[[], Awaitable[list[Document]]]

PROGRESS_CHARS_MAX = 2_000
DELTA_CHARS_MAX = 32 << 10
MEMO_BYTES_MAX = 64 << 10
MEMO_NAME_CHARS_MAX = 200


class Memos:
    """What the side effects of one step have returned; `known` and `keep` reach the store."""

    def __init__(
        self, known: Callable[[str], Awaitable[bytes | None]], keep: Callable[[str, bytes], Awaitable[bytes]]
    ) -> None:
        self._known = known
        self._keep = keep

    @classmethod
    def in_memory(cls) -> "Memos":
        """For an agent that is called without a worker, in a test of its own."""
        kept: dict[str, bytes] = {}

        async def known(name: str) -> bytes | None:
            return kept.get(name)

        async def keep(name: str, value: bytes) -> bytes:
            return kept.setdefault(name, value)

        return cls(known, keep)

    async def once(self, name: str, effect: Callable[[], Any]) -> JsonValue:
        """See `StepContext.once`."""
        if not 0 < len(name) <= MEMO_NAME_CHARS_MAX:
            raise ValueError(f"A name has 1 to {MEMO_NAME_CHARS_MAX} characters.")
        known = await self._known(name)
        if known is None:
            value = effect()
            encoded = orjson.dumps(await value if inspect.isawaitable(value) else value)
            if len(encoded) > MEMO_BYTES_MAX:
                raise Permanent(
                    f"What {name!r} returned has {len(encoded)} bytes; at most {MEMO_BYTES_MAX} are kept.",
                    code="memo_too_large",
                )
            known = await self._keep(name, encoded)
        kept: JsonValue = orjson.loads(known)
        return kept


def artifact_name(agent: str, step_id: int) -> str:
    return f"{agent}-{step_id}.md"


async def _no_documents() -> list[Document]:
    return []


@dataclass(slots=True)
class StepContext:
    """
    The step an agent runs, what it may read, and how it reports.

    Nothing here can enqueue, change the plan or see another task. The reporting methods return as soon
    as the event is buffered; an attempt that is no longer the current one reports into the void.

    `inputs` holds the outputs of the steps this one depends on, by step id; a dependency that failed or was
    skipped, where the plan allows that, is missing. `idempotency_key` stays the same when the step is run again
    after a crash or a failure: hand it to services that deduplicate. `cancelled()` says that the step is no
    longer wanted: a coroutine is interrupted besides, a plain function has to ask. What an interrupted coroutine
    still awaits is interrupted too: cleaning up belongs into `with anyio.CancelScope(shield=True)`. `llm` is the
    language model of this installation, or `None` where none is configured.
    """

    task_id: str
    task: str
    step_id: int
    agent: str
    attempt: int
    #: How often a person asked for this step again.
    run: int
    inputs: dict[int, StepOutput]
    emit: Emit
    memos: Memos = field(default_factory=Memos.in_memory)
    timeout_s: float = float("inf")
    #: By the monotonic clock: when the attempt's own time, which begins with the agent, or its task's is over.
    deadline_s: float = float("inf")
    cancelled: Callable[[], bool] = lambda: False
    task_inputs: TaskInputs = field(default_factory=TaskInputs)
    documents: LoadDocuments = _no_documents
    collections: dict[str, Path] = field(default_factory=dict)
    cache_dir: Path = Path(".stepstream/cache")
    llm: Llm | None = None
    _written: int = 0

    @property
    def idempotency_key(self) -> str:
        """Names this step of this task to services that deduplicate."""
        return hashlib.sha256(f"{self.task_id}:{self.step_id}:{self.run}".encode()).hexdigest()

    @property
    def remaining_s(self) -> float:
        """Time left for this attempt, seconds; never negative."""
        return max(0.0, self.deadline_s - time.monotonic())

    async def once(self, name: str, effect: Callable[[], Any]) -> JsonValue:
        """
        What `effect()` returned the first time, also when the step runs again; it may be a coroutine function.

        The value is kept after the effect: a crash between the two runs the effect again, so pass
        `idempotency_key` on as well where that matters. The value must be JSON of at most 64 KiB. Raises
        `Fenced` when this attempt is no longer the current one, `Permanent` for a value that is too large or a
        task that remembers too much already.
        """
        return await self.memos.once(name, effect)

    async def progress(self, current: int, total: int | None = None, message: str = "") -> None:
        """Says how far the step has come, in units of the agent's choice."""
        await self.emit(StepProgress(current=current, total=total, message=message[:PROGRESS_CHARS_MAX]))

    async def source(self, *, pid: str, title: str, uri: str, score: float) -> None:
        """Reports a passage that was found."""
        await self.emit(SourceFound(passage=Passage(pid=pid, title=title, uri=uri, score=score)))

    @property
    def artifact(self) -> str:
        """The name of the text this step writes, in `output.delta` and `artifact.completed` alike."""
        return artifact_name(self.agent, self.step_id)

    async def delta(self, text: str) -> None:
        """Streams the next piece of the step's text."""
        for start in range(0, len(text), DELTA_CHARS_MAX):
            piece = text[start : start + DELTA_CHARS_MAX]
            offset, self._written = self._written, self._written + len(piece)
            await self.emit(OutputDelta(artifact=self.artifact, offset=offset, text=piece))

    async def citations(self, *, total: int, ok: int, repaired: int, dropped: int) -> None:
        """Reports the outcome of checking a report's citations."""
        await self.emit(CitationsVerified(total=total, ok=ok, repaired=repaired, dropped=dropped))

    def outputs(self) -> list[tuple[int, Any]]:
        """The `data` of the dependencies in step order."""
        return [(step_id, self.inputs[step_id].data) for step_id in sorted(self.inputs)]
