"""
What the queues held during the last hour, sampled once fleet-wide by whichever API process comes first.

A sample costs Redis one look at the queues and at the counters of events, and a bounded look at what has just
happened: nothing is paid per step. What is kept is a stream that expires with the last sample.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from itertools import pairwise
from typing import Any

import orjson
import redis.asyncio

from app.broker.admin import QueueStats
from app.dispatch.counters import Counters
from app.dispatch.fleet import Fleet
from app.events.fire_log import FireLog, Spot
from app.keys import Keys
from app.model.agents import AgentRegistry
from app.model.fleet import QueueHistoryBody, QueueSeries
from app.redis_async import translated

INTERVAL_S = 10.0
#: Shorter than the interval, so that a process which is a little early is not put off by a whole one.
LOCK_MS = 9_000
SAMPLES_MAX = 400
HISTORY_TTL_MS = 2 * 3600 * 1000
#: Of more queues than this, those that hold the most.
QUEUES_MAX = 100
#: How far back events are looked at, and how much of them: at so many moments, evenly apart, so many notices.
LOOK_BACK_MS_MAX = 60_000
MOMENTS = 5
NOTICES_PER_MOMENT = 40
#: How an attempt comes to an end.
ENDS = ("step.completed", "step.failed", "step.retry_scheduled")
UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class QueueSample:
    """One queue at one moment; `ended` counts all attempts that ever came to an end, `None` is not known."""

    waiting: int
    in_flight: int
    oldest_age_ms: int
    ended: int | None = None
    wait_p95_ms: int | None = None
    run_p95_ms: int | None = None

    def __str__(self) -> str:
        return " ".join(UNKNOWN if value is None else str(value) for value in astuple(self))

    @classmethod
    def parse(cls, text: str) -> "QueueSample":
        """A later version may have written more behind these. Raises `ValueError` for what no version has written."""
        waiting, in_flight, oldest_age_ms, *rest = text.split(" ")[:6]
        return cls(int(waiting), int(in_flight), int(oldest_age_ms), *(None if x == UNKNOWN else int(x) for x in rest))


@dataclass(slots=True)
class _Times:
    """How long attempts waited and ran, ms."""

    waits: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)


class QueueHistory:
    """Takes samples and gives them out; raises `Unavailable` when Redis is away."""

    def __init__(
        self, client: "redis.asyncio.Redis", keys: Keys, fleet: Fleet, fire_log: FireLog, agents: AgentRegistry
    ) -> None:
        self._redis = client
        self._keys = keys
        self._fleet = fleet
        self._fire_log = fire_log
        self._queue_of = {agent.name: agent.queue for agent in agents}

    async def sample(self) -> None:
        """Takes the sample of this interval, unless another process has."""
        with translated():
            if not await self._redis.set(self._keys.history_lock, 1, nx=True, px=LOCK_MS):
                return
        depths = await self._fleet.queues()
        ended, times = await self._ended(), await self._times()
        busiest = sorted(depths, key=lambda name: (-depths[name].unfinished, name))[:QUEUES_MAX]
        row: Any = {name: str(_sample(depths[name], ended.get(name), times[name])) for name in busiest}
        if not row:
            return
        with translated():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.xadd(self._keys.history, row, maxlen=SAMPLES_MAX, approximate=False)
            pipeline.pexpire(self._keys.history, HISTORY_TTL_MS)
            await pipeline.execute()

    async def read(self, after_ms: int = 0) -> QueueHistoryBody:
        """The samples taken after that time, by the clock of Redis."""
        with translated():
            # With the sample of that time itself: the rates of the next one count from it.
            rows: Any = await self._redis.xrange(self._keys.history, min=after_ms or "-", count=SAMPLES_MAX)
        times = [int(entry_id.partition(b"-")[0]) for entry_id, _ in rows]
        samples = [{name.decode(): QueueSample.parse(line.decode()) for name, line in row.items()} for _, row in rows]
        start = next((index for index, at in enumerate(times) if at > after_ms), len(times))
        names = sorted({name for row in samples[start:] for name in row})
        return QueueHistoryBody(
            interval_ms=int(INTERVAL_S * 1000),
            times_ms=times[start:],
            queues=[_series(name, times, [row.get(name) for row in samples], start) for name in names],
        )

    async def _ended(self) -> dict[str, int]:
        """
        Attempts that ever came to an end, by queue; none where the counters have not begun yet.

        A step that a fork took over is completed, and no attempt of it came to an end.
        """
        with translated():
            totals: Any = await self._redis.hgetall(self._keys.totals)
        counters = Counters.read(totals)
        found: dict[str, int] = {}
        for (kind, agent), count in counters.events.items():
            queue = self._queue_of.get(agent)
            if kind in ENDS and queue is not None:
                found[queue] = found.get(queue, 0) + count
        for agent, count in counters.kept.items():
            queue = self._queue_of.get(agent)
            if queue is not None:
                found[queue] = found.get(queue, 0) - count
        # A queue of which nothing has ended yet stands at zero, once anything is counted at all.
        return {queue: found.get(queue, 0) for queue in self._queue_of.values()} if counters.events else {}

    async def _times(self) -> Mapping[str, _Times]:
        """Waits and runs since the last sample, by queue: all of them, or where they are many a part of each moment."""
        with translated():
            now_s, micros = await self._redis.time()
            last: Any = await self._redis.xrevrange(self._keys.history, count=1)
        now_ms = now_s * 1000 + micros // 1000
        since_ms = max(int(last[0][0].partition(b"-")[0]) if last else 0, now_ms - LOOK_BACK_MS_MAX)
        found: defaultdict[str, _Times] = defaultdict(_Times)
        bounds = [since_ms + (now_ms - since_ms) * part // MOMENTS for part in range(MOMENTS + 1)]
        for begin_ms, end_ms in pairwise(bounds):
            page = await self._fire_log.page(Spot(begin_ms), NOTICES_PER_MOMENT)
            for event in page.events:
                if begin_ms <= event.spot.ms < end_ms and event.type in ("step.started", "step.completed"):
                    self._note(found, orjson.loads(event.body))
        return found

    def _note(self, found: "defaultdict[str, _Times]", event: dict[str, Any]) -> None:
        queue, data = self._queue_of.get(event["agent"]), event["data"]
        if queue is None:
            return
        if event["type"] == "step.started":
            found[queue].waits.append(data["queue_wait_ms"])
        elif not data.get("cached"):
            found[queue].runs.append(data["duration_ms"])


def _sample(depth: QueueStats, ended: int | None, times: _Times) -> QueueSample:
    return QueueSample(
        depth.waiting, depth.in_flight, depth.oldest_age_ms, ended, quantile(times.waits), quantile(times.runs)
    )


def quantile(values: Sequence[int], share: float = 0.95) -> int | None:
    """The smallest of the values that so large a share of them does not exceed; `None` of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _series(name: str, times: Sequence[int], samples: Sequence[QueueSample | None], start: int) -> QueueSeries:
    shown = samples[start:]
    return QueueSeries(
        name=name,
        waiting=[one and one.waiting for one in shown],
        in_flight=[one and one.in_flight for one in shown],
        oldest_age_ms=[one and one.oldest_age_ms for one in shown],
        ended_per_s=list(_rates(times, samples))[start:],
        wait_p95_ms=[one and one.wait_p95_ms for one in shown],
        run_p95_ms=[one and one.run_p95_ms for one in shown],
    )


def _rates(times: Sequence[int], samples: Sequence[QueueSample | None]) -> Iterator[float | None]:
    """Ends per second since the sample before; none for the first, nor where a counter began anew."""
    before: tuple[int, int] | None = None
    for at, sample in zip(times, samples, strict=True):
        if sample is None or sample.ended is None:
            yield None
            continue
        if before is None or sample.ended < before[1] or at <= before[0]:
            yield None
        else:
            yield round((sample.ended - before[1]) * 1000 / (at - before[0]), 3)
        before = (at, sample.ended)
