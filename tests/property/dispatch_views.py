"""What lies in Redis and what the model holds, in one form that can be compared and read."""

from collections.abc import Iterable
from typing import Any

import orjson
import redis.asyncio

from app.broker.keys import LEVELS, ShardKeys
from app.dispatch.counters import Counters
from app.dispatch.record import STEP_PLACE, STEP_STATE, parse_line
from app.keys import Keys
from app.model.events import EVENT
from app.model.events import Event as Written
from tests.property.specification.state import SETTLED, At, Event, Message, StepState, TaskState, World

View = dict[str, Any]

COUNTERS = ("dispatch", "delivery", "attempt", "failures", "crashes", "deferrals", "run", "open")
#: What the model leaves open: durations, texts, sizes, and delays that end with another key's TTL.
UNTOLD = {
    "task.submitted": {"task", "priority", "labels", "concurrency", "idempotency_sha256"},
    "plan.created": {"planner", "estimate", "planning_ms"},
    "step.started": {"queue_wait_ms"},
    "step.redelivered": {"idle_ms"},
    "step.progress": {"current", "total", "message"},
    "llm.usage": {"name", "model", "input_tokens", "output_tokens", "cached_tokens", "usd", "ms", "ttft_ms"},
    "step.completed": {"duration_ms", "summary", "bytes"},
    "step.retry_scheduled": {"reason"},
    "step.deferred": {"delay_ms"},
    "task.completed": {"duration_ms"},
    "task.failed": {"duration_ms"},
    "task.cancelled": {"duration_ms", "stop_latency_ms"},
    "task.expired": {"duration_ms"},
}
#: Apart from the pauses of providers all times are exact.
TOLERANCE_MS = 2_000
RAND_MAX = 65_536


def of_model(world: World) -> View:
    """Everything the model knows."""
    view: View = {}
    for task in world.tasks.values():
        view |= _task_of_model(task)
    for group in {task.gate.group for task in world.tasks.values() if task.gate}:
        view[f"line {group}"] = [f"{task.task_id}:{step.id}" for task, step in world.line(group)]
        view[f"busy {group}"] = {
            f"{task.task_id}:{step.id}"
            for task in world.tasks.values()
            for step in task.steps.values()
            if task.gate and task.gate.group == group and step.inside
        }
    for spec in world.agents:
        for level in LEVELS:
            messages = [message for message in world.queued if (message.queue, message.level) == (spec.queue, level)]
            view[f"queue {spec.queue} {level}"] = list(map(_line, messages))
    view["due"] = {_line(message): ms for message, ms in world.due.items()}
    view["dead"] = {message.batch_id for message in world.dead}
    view["deadlines"] = dict(world.deadlines)
    view["open"] = {task.task_id for task in world.tasks.values() if not task.status.terminal}
    view["totals"] = {" ".join(kind): count for kind, count in world.totals.items()}
    view["refused"] = {"fenced": world.fenced, "stale": world.stale}
    return view


def _task_of_model(task: TaskState) -> View:
    totals = {"left": task.left, "sinks": task.sinks, "next": task.next_step_id, "steps": len(task.steps)}
    grown = {f"{step}:{added[0]}-{added[-1]}" for step, added in task.grown.items()}
    view: View = {
        f"task {task.task_id}": {
            "status": str(task.status), "error": task.error, "failed_step": task.failed_step, "grown": grown, **totals,
        }
    }  # fmt: skip
    for step in task.steps.values():
        view[f"step {task.task_id}:{step.id}"] = _step_of_model(step)
    return view


def _step_of_model(step: StepState) -> View:
    counters = {name: getattr(step, name) for name in COUNTERS}
    # What an ended step still waited for is of no interest to anybody.
    counters["open"] = None if step.state in SETTLED else step.open
    return {
        "state": str(step.state), **counters, "token": step.token, "deps": step.deps, "children": step.children,
        "entry": "" if step.entry is None else f"{step.entry[0]}:{step.entry[1]}",
    }  # fmt: skip


def _line(message: Message) -> str:
    return f"{message.level}|{message.task_id}|{' '.join(f'{step}:{number}' for step, number in message.steps)}"


async def of_redis(client: "redis.asyncio.Redis", keys: Keys, world: World) -> View:
    """The same, as the server has it; the model only says where to look."""
    shard = ShardKeys(keys.tag)
    view: View = {"due": {}, "dead": set()}
    groups = sorted({task.gate.group for task in world.tasks.values() if task.gate})
    async with client.pipeline(transaction=False) as pipe:
        for task_id in world.tasks:
            pipe.hgetall(keys.task(task_id))
        for group in groups:
            pipe.zrange(f"{keys.tag}:line:{group}", 0, -1).smembers(f"{keys.tag}:busy:{group}")
        for spec in world.agents:
            queue = shard.queue(spec.queue)
            pipe.zrange(queue.due, 0, -1, withscores=True).hgetall(queue.due_bodies).hkeys(queue.dlq_bodies)
            for stream in queue.streams:
                pipe.xrange(stream)
        pipe.zrange(keys.deadlines, 0, -1, withscores=True).zrange(keys.open, 0, -1).hgetall(keys.totals)
        replies = iter(await pipe.execute())
    for task_id in world.tasks:
        view |= _task_of_redis(task_id, {name.decode(): value.decode() for name, value in next(replies).items()})
    for group in groups:
        view[f"line {group}"] = [member.decode() for member in next(replies)]
        view[f"busy {group}"] = {member.decode() for member in next(replies)}
    for spec in world.agents:
        due, bodies = next(replies), next(replies)
        assert {member for member, _ in due} == set(bodies), "a delayed message without a body, or a body without one"
        view["due"] |= {_decoded(bodies[member], member[:1].decode()): int(ms) for member, ms in due}
        view["dead"] |= {letter.decode() for letter in next(replies)}
        for level in LEVELS:
            view[f"queue {spec.queue} {level}"] = [_decoded(fields[b"m"], level) for _, fields in next(replies)]
    view["deadlines"] = {task_id.decode(): int(ms) for task_id, ms in next(replies)}
    view["open"] = {task_id.decode() for task_id in next(replies)}
    totals = Counters.read(next(replies))
    view["totals"] = {" ".join(kind): count for kind, count in totals.events.items()}
    view["refused"] = {"fenced": totals.fenced, "stale": totals.stale}
    return view


def _task_of_redis(task_id: str, fields: dict[str, str]) -> View:
    failed_step = int(fields["failed_step"]) if "failed_step" in fields else None
    error = orjson.loads(fields["error"])["code"] if "error" in fields else None
    totals = {name: int(fields[name]) for name in ("left", "sinks", "next", "steps")}
    grown = set(fields.get("grown", "").split())
    view: View = {
        f"task {task_id}": {
            "status": fields["status"], "error": error, "failed_step": failed_step, "grown": grown, **totals,
        }
    }  # fmt: skip
    for step_id in fields["ids"].split():
        state = parse_line(STEP_STATE, fields[f"s:{step_id}"])
        place = parse_line(STEP_PLACE, fields[f"p:{step_id}"])
        counters: View = {name: int(state[name]) for name in COUNTERS}
        counters["open"] = None if state["state"] in SETTLED else counters["open"]
        view[f"step {task_id}:{step_id}"] = {
            "state": state["state"],
            **counters,
            "token": f"{state['attempt']}:{state['nonce']}",
            "deps": _ids(place["deps"]),
            "children": _ids(place["children"]),
            "entry": state["entry"],
        }
    return view


def _ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def _decoded(body: bytes, level: object) -> str:
    return "|".join([str(int(str(level))), *orjson.loads(body)["args"]])


def differences(real: View, model: View) -> dict[str, tuple[Any, Any]]:
    """Where the two disagree: what Redis has, what the model has."""
    real["due"] = {
        line: model["due"][line] if abs(ms - model["due"].get(line, 0)) <= TOLERANCE_MS else ms
        for line, ms in real["due"].items()
    }
    names = sorted(real.keys() | model.keys())
    return {name: (real.get(name), model.get(name)) for name in names if real.get(name) != model.get(name)}


def read_log(entries: Iterable[tuple[bytes, dict[bytes, bytes]]], last_seq: int) -> tuple[At | None, list[Event]]:
    """New events of a task as the model tells them, and the moment of their transition."""
    at, told = None, []
    for number, (entry_id, fields) in enumerate(entries, start=last_seq + 1):
        written = EVENT.validate_json(fields[b"e"])
        written.parsed()
        seq, rand = entry_id.decode().split("-")
        assert (written.seq, int(seq)) == (number, number), "the log has a gap"
        at = At(written.ts, int(rand) / RAND_MAX)
        told.append(_told(written))
    return at, told


def _told(event: Written) -> Event:
    data = {name: value for name, value in event.data.items() if name not in UNTOLD.get(event.type, ())}
    if "error" in data:
        data["error"] = data["error"]["code"]
    if event.type.startswith("plan."):
        data["steps"] = [step["step_id"] for step in data["steps"]]
    return Event(event.type, event.task_id, event.step_id, event.attempt, event.worker, data)
