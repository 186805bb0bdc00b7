"""What the API says of every task after the drain, and what is left in Redis."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import orjson
import redis
from prometheus_client.parser import text_string_to_metric_families

from app.broker import QueueAdmin
from app.broker.keys import QueueKeys, ShardKeys
from app.keys import Keys

from .evidence import Answer, Remains, Task
from .stack import NAMESPACE
from .web import Web

TRIES_MAX = 5
REPAIRED = re.compile(r"^stepstream_repaired_total(?:\{.*\})? ([0-9.e+]+)$", re.MULTILINE)


def tasks(urls: list[str], task_ids: Iterable[str], seed: int) -> dict[str, Task]:
    """Every task that the API knows, with its whole log."""
    with Web(urls, Random(seed)) as web:
        found = (_task(web, task_id) for task_id in sorted(task_ids))
        return {task.task_id: task for task in found if task is not None}


def _task(web: Web, task_id: str) -> Task | None:
    view = _get(web, f"/tasks/{task_id}")
    if view.status != 200:
        return None
    log = list(_log(web, task_id))
    return Task(
        task_id,
        bodies=log,
        view=view.body,
        metrics=_get(web, f"/metrics/{task_id}").body,
        result=_get(web, f"/tasks/{task_id}/result"),
    )


def _log(web: Web, task_id: str) -> Iterator[str]:
    """The bodies as they are stored; the page is re-encoded member by member, which keeps their order."""
    after, more = "0", True
    while more:
        page = _get(web, f"/tasks/{task_id}/events?after={after}&limit=500").body
        for event in page.get("events", ()):
            yield orjson.dumps(event).decode()
        after, more = page.get("next", "0"), page.get("more", False)


def _get(web: Web, path: str) -> Answer:
    """Nothing is broken any more, but a process may just be coming back."""
    for _ in range(TRIES_MAX):
        answer = web.ask("GET", path)
        if answer.status not in {0, 503}:
            break
    return answer


def remains(client: "redis.Redis", metrics: str) -> Remains:
    """What Redis holds, by the names that the keys' own module gives."""
    admin = QueueAdmin(client, NAMESPACE)
    queues = admin.queues()
    names = [ShardKeys(Keys(NAMESPACE).tag).queue(queue) for queue in queues]
    left = {"open tasks": client.zcard(Keys(NAMESPACE).open)}
    for queue, stats in admin.stats_of(queues).items():
        left |= {f"waiting in {queue}": stats.waiting, f"in flight in {queue}": stats.in_flight}
        left |= {f"delayed in {queue}": stats.delayed}
    for name in names:
        left |= {f"entries of {stream}": client.xlen(stream) for stream in name.streams}
        left |= {
            f"bodies of {name.due}": client.hlen(name.due_bodies),
            f"starts of {name.queue}": client.hlen(name.starts),
        }
    dead = [_step_of(letter) for name in names for letter in client.zrange(name.dlq, 0, -1)]
    alarms = repaired(metrics) + int(client.hget(Keys(NAMESPACE).audit, "repaired") or 0)
    return Remains(left, sorted(_immortal(client, names)), dead, alarms, written(client, NAMESPACE), counted(metrics))


def repaired(metrics: str) -> int:
    """The alarm of the audit; 0 where there is none yet."""
    return round(sum(float(value) for value in REPAIRED.findall(metrics)))


def counted(metrics: str) -> Counter[tuple[str, str]]:
    """How many events of each type and agent a scrape tells of."""
    return Counter(
        {
            (sample.labels["type"], sample.labels["agent"]): round(sample.value)
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "stepstream_events_total" and sample.value
        }
    )


def written(client: "redis.Redis", namespace: str) -> Counter[tuple[str, str]]:
    """How many there are in the logs: nothing has expired yet."""
    logs = client.scan_iter(match=Keys(namespace).events("*"), count=1_000)
    events = (orjson.loads(fields[b"e"]) for key in logs for _, fields in client.xrange(key))
    return Counter((event["type"], event.get("agent", "")) for event in events)


def _immortal(client: "redis.Redis", names: list[QueueKeys]) -> Iterator[str]:
    """Keys that will stay for ever and must not."""
    shard = ShardKeys(Keys(NAMESPACE).tag)
    allowed = {shard.queues, shard.paused, shard.workers}
    for name in names:
        allowed |= {*name.streams, name.depth, name.sweep, name.dlq, name.dlq_bodies, name.dlq_meta}
    for key in client.scan_iter(match=f"{shard.tag}*", count=1_000):
        name_of = key.decode()
        if client.ttl(key) == -1 and name_of not in allowed and not Keys(NAMESPACE).outlives_tasks(name_of):
            yield name_of


def _step_of(letter: Any) -> tuple[str, int]:
    """A letter's id is that of its batch: `<task>:<step>:<dispatch>`."""
    task_id, step_id, _ = letter.decode().split(":")
    return task_id, int(step_id)
