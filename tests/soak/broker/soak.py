"""One soak from start to judgement."""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import redis

from app.broker import QueueAdmin, RedisStreamsBroker
from app.broker.keys import QueueKeys

from ..faults import Fault, Terms
from ..fleet import Fleet
from ..injector import Injector
from ..servers import Server
from .actors import NAMESPACE, QUEUE, declare, make_broker, read_runs
from .checker import Findings, check
from .evidence import Evidence, Remains
from .producer import Producer

#: How often each fault is chosen.
WEIGHTS = {Fault.KILL: 4, Fault.FREEZE: 2, Fault.RESTART: 2, Fault.CUT: 4, Fault.TERMINATE: 2}
PROGRESS_S = 5.0
DEADLY_FIRST_S = 5.0
DEADLY_EVERY_S = 15.0
DRAIN_TIMEOUT_S = 60.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how hard, and whether anything is broken at all."""

    seconds: float = 120
    seed: int = 1
    control: bool = False
    workers: int = 3
    threads: int = 4
    lease_ms: int = 3_000
    rate: float = 120
    producers: int = 2
    #: The server binary; None is the bundled one.
    server: str | None = None

    @property
    def long_ms(self) -> int:
        """Some messages run for longer than a lease."""
        return round(1.3 * self.lease_ms)

    @property
    def terms(self) -> Terms:
        # What runs, what was fetched beyond it, and as many acknowledgements that are still under way.
        held_max = 2 * self.threads + 2
        return Terms(self.lease_ms / 1000, 4 + self.long_ms / 1000, held_max, self.workers)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, and the judgement of it."""

    evidence: Evidence
    findings: Findings
    drained_s: float


def soak(plan: Plan, say: Say) -> Outcome:
    """Runs it. Raises nothing for a violation: the findings tell."""
    # A path under a deep directory may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        binary = Path(plan.server) if plan.server else None
        server, ledger = Server(home, "work", binary), Server(home, "ledger", binary)
        try:
            server.start()
            ledger.start()
            return _run(plan, say, home, server, ledger)
        finally:
            server.close()
            ledger.close()


def _run(plan: Plan, say: Say, home: Path, server: Server, ledger: Server) -> Outcome:
    worker = [sys.executable, "-m", "tests.soak.broker.worker", server.url, ledger.url]
    log_file = Path(os.environ.get("SOAK_LOG") or home / "workers.log")
    with Fleet([[*worker, str(plan.lease_ms), str(plan.threads)]] * plan.workers, log_file) as fleet:
        return _load(plan, say, fleet, server, ledger)


def _load(plan: Plan, say: Say, fleet: Fleet, server: Server, ledger: Server) -> Outcome:
    broker = make_broker(server.url, plan.lease_ms)
    injector = Injector(fleet, server, WEIGHTS, lease_s=plan.lease_ms / 1000, seed=plan.seed)
    producers = _producers(plan, broker)
    for producer in producers:
        producer.start()
    if not plan.control:
        injector.start()
    _watch(plan, say, producers, injector, ledger)
    for producer in producers:
        producer.stop()
    injector.heal()
    drained_s = _drain(server.client, say)
    clean = fleet.stop()
    broker.close()
    evidence = Evidence(
        sent=[sent for producer in producers for sent in producer.sent],
        runs=read_runs(ledger.client),
        blows=sorted(injector.blows, key=lambda blow: blow.began_s),
        remains=remains(server.client, broker.keys.queue(QUEUE)),
    )
    troubles = [f"sending failed: {producer.failure!r}" for producer in producers if producer.failure]
    troubles += [f"the injector failed: {injector.failure!r}"] if injector.failure else []
    troubles += [] if clean else ["a worker did not stop when asked"]
    findings = check(evidence, plan.terms)
    return Outcome(evidence, replace(findings, violations=[*findings.violations, *troubles]), drained_s)


def _producers(plan: Plan, broker: RedisStreamsBroker) -> list[Producer]:
    actors = declare(broker)
    rate = plan.rate / plan.producers
    seeds = range(plan.seed * 1_000, plan.seed * 1_000 + plan.producers)
    return [Producer(broker, actors, rate=rate, long_ms=plan.long_ms, seed=seed) for seed in seeds]


def _watch(plan: Plan, say: Say, producers: list[Producer], injector: Injector, ledger: Server) -> None:
    """Waits, tells how it goes, and sends the deadly messages."""
    deadly_s = DEADLY_FIRST_S
    began_s = time.monotonic()
    pause = threading.Event()
    while (left_s := began_s + plan.seconds - time.monotonic()) > 0:
        pause.wait(min(PROGRESS_S, left_s))
        if not plan.control and time.monotonic() - began_s >= deadly_s:
            deadly_s += DEADLY_EVERY_S
            producers[0].send_deadly()
        sent = sum(len(producer.sent) for producer in producers)
        notes = ledger.client.llen("ledger")
        say(f"{time.monotonic() - began_s:5.0f} s: {sent} sent, {notes // 2} runs, {len(injector.blows)} faults")


def _drain(client: "redis.Redis", say: Say) -> float:
    """Waits until nothing is waiting, delayed or in flight; what is left after a minute is left over."""
    began_s = time.monotonic()
    admin = QueueAdmin(client, NAMESPACE)
    pause = threading.Event()
    while admin.stats(QUEUE).unfinished and time.monotonic() - began_s < DRAIN_TIMEOUT_S:
        pause.wait(0.05)
    drained_s = time.monotonic() - began_s
    say(f"drained in {drained_s:.1f} s")
    return drained_s


def remains(client: "redis.Redis", names: QueueKeys) -> Remains:
    """What is in Redis now."""
    pending = sum(
        group["pending"] for stream in names.streams if client.exists(stream) for group in client.xinfo_groups(stream)
    )
    added = sum(client.xinfo_stream(stream)["entries-added"] for stream in names.streams if client.exists(stream))
    dead = {member.decode(): _reason(client.hget(names.dlq_meta, member)) for member in client.zrange(names.dlq, 0, -1)}
    return Remains(
        waiting=sum(client.xlen(stream) for stream in names.streams),
        pending=pending,
        due=client.zcard(names.due),
        due_bodies=client.hlen(names.due_bodies),
        dead=dead,
        entries_added=added,
    )


def _reason(meta: bytes | None) -> str:
    return str(json.loads(meta or b"{}").get("reason", "unknown"))
