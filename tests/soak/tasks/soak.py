"""One soak from start to judgement."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from app.broker import QueueAdmin
from app.keys import Keys

from ..faults import Fault, Terms
from ..injector import Injector
from . import collect, features
from .checker import Findings, check
from .client import Client
from .evidence import Evidence, Submission, Task, Viewing
from .follower import Follower, follow
from .ledger import NOTES, read
from .producer import Producer
from .stack import NAMESPACE, Size, Stack, running
from .steerer import Steerer
from .web import Web

#: How often each fault is chosen.
WEIGHTS = {
    Fault.KILL: 4, Fault.FREEZE: 2, Fault.TERMINATE: 2, Fault.RESTART: 2, Fault.CUT: 4, Fault.FULL: 1,
    Fault.API_KILL: 2, Fault.API_FREEZE: 1, Fault.API_TERMINATE: 1,
}  # fmt: skip
START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 90.0
PROGRESS_S = 5.0
DEADLY_EVERY_S = 20.0
LATE_VIEWERS_SHARE = 0.1
#: An API process that is replaced under load may take so many times as long to start as the first ones took.
BOOTS = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how hard, and whether anything is broken at all."""

    seconds: float = 120
    seed: int = 1
    control: bool = False
    rate: float = 6
    producers: int = 2
    followers: int = 3
    #: Mean time between two faults.
    pause_s: float = 2.0
    size: Size = field(default_factory=Size)
    weights: Mapping[Fault, int] = field(default_factory=lambda: WEIGHTS)

    @property
    def long_ms(self) -> int:
        """Some steps run for longer than a lease."""
        return round(1.3 * self.size.lease_ms)

    @property
    def terms(self) -> Terms:
        # Every thread holds a batch of eight.
        held_max = 8 * self.size.threads
        return Terms(self.size.lease_ms / 1000, 4 + self.long_ms / 1000, held_max, self.size.workers)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, and the judgement of it."""

    evidence: Evidence
    findings: Findings
    drained_s: float


def soak(plan: Plan, say: Say) -> Outcome:
    """Runs it. Raises nothing for a violation: the findings tell."""
    began_s = time.monotonic()
    with running(plan.size) as stack:
        _await_apis(stack.urls)
        terms = _fair(plan.terms, time.monotonic() - began_s)
        found = _ready(stack, plan)
        say(f"features: {', '.join(sorted(found)) or 'none'}")
        load = Load(plan, terms, stack, found)
        load.run(say)
        drained_s = _drain(stack, say)
        load.end()
        evidence = load.evidence()
        clean = stack.workers.stop() & stack.apis.stop()
        troubles = [*load.troubles(), *([] if clean else ["a process did not stop when asked"])]
        return Outcome(evidence, check(evidence, troubles), drained_s)


class Load:
    """The clients and the injector of one soak, and what they saw."""

    def __init__(self, plan: Plan, terms: Terms, stack: Stack, found: frozenset[str]) -> None:
        self._plan = plan
        self._terms = terms
        self._stack = stack
        self._features = found
        self._known: list[str] = []
        urls, known, seed = stack.urls, self._known.append, 100 * plan.seed
        self._producers = [
            Producer(urls, known, features=found, rate=plan.rate / plan.producers, long_ms=plan.long_ms, seed=seed + n)
            for n in range(plan.producers)
        ]
        self._followers = [Follower(urls, self._known, seed + 10 + n) for n in range(plan.followers)]
        self._steerer = Steerer(urls, self._known, known, features=found, rate=plan.rate / 3, seed=seed + 20)
        self._clients: list[Client] = [*self._producers, *self._followers, self._steerer]
        self._injector = Injector(
            stack.workers, stack.server, plan.weights, lease_s=plan.size.lease_ms / 1000, seed=plan.seed,
            pause_s=plan.pause_s, apis=stack.apis,
        )  # fmt: skip

    def run(self, say: Say) -> None:
        """Loads and breaks for as long as planned; afterwards nothing is broken any more."""
        for client in self._clients:
            client.start()
        if not self._plan.control:
            self._injector.start()
        self._watch(say)
        for producer in self._producers:
            producer.stop()
        self._steerer.stop()
        self._injector.heal()

    def end(self) -> None:
        """Nothing runs any more: streams must come to their ends."""
        for follower in self._followers:
            follower.stop()

    def troubles(self) -> list[str]:
        """Clients that met what no client should meet."""
        failures = [client.failure for client in self._clients] + [self._injector.failure]
        return [f"the soak itself failed: {failure!r}" for failure in failures if failure]

    def evidence(self) -> Evidence:
        """Everything there is to judge, once all processes are back."""
        _await_apis(self._stack.urls)
        runs, onces = read(self._stack.ledger)
        task_ids = {*self._known, *(run.task_id for run in runs)}
        tasks = collect.tasks(self._stack.urls, task_ids, self._plan.seed)
        return Evidence(
            terms=self._terms,
            tasks=tasks,
            submissions=self._submissions(),
            acts=self._steerer.acts,
            viewings=[*(v for follower in self._followers for v in follower.viewings), *self._late(tasks)],
            runs=runs,
            onces=onces,
            blows=sorted(self._injector.blows, key=lambda blow: blow.began_s),
            remains=collect.remains(self._stack.server.client, self._metrics()),
            features=self._features,
        )

    def _submissions(self) -> list[Submission]:
        return [submission for producer in self._producers for submission in producer.submissions]

    def _late(self, tasks: dict[str, Task]) -> list[Viewing]:
        """Some tasks are watched after they have ended."""
        random = Random(self._plan.seed)
        task_ids = sorted(task_id for task_id, task in tasks.items() if task.status)
        chosen = random.sample(task_ids, round(LATE_VIEWERS_SHARE * len(task_ids)))
        with Web(self._stack.urls, random) as web:
            return [Viewing(task_id, [follow(web, task_id)]) for task_id in chosen]

    def _metrics(self) -> str:
        with Web(self._stack.urls, Random()) as web:
            return web.text("/metrics")

    def _watch(self, say: Say) -> None:
        """Waits, tells how it goes, and asks for the deadly steps."""
        deadly_s = DEADLY_EVERY_S / 4
        began_s = time.monotonic()
        pause = threading.Event()
        while (left_s := began_s + self._plan.seconds - time.monotonic()) > 0:
            pause.wait(min(PROGRESS_S, left_s))
            if not self._plan.control and time.monotonic() - began_s >= deadly_s:
                deadly_s += DEADLY_EVERY_S
                self._producers[0].send_deadly()
            notes = self._stack.ledger.client.llen(NOTES)
            blows = len(self._injector.blows)
            say(f"{time.monotonic() - began_s:5.0f} s: {len(self._known)} tasks, {notes // 2} runs, {blows} faults")


def _fair(terms: Terms, booted_s: float) -> Terms:
    """With the time that processes take to start here, where others may want the processors as well."""
    return replace(terms, boot_s=max(terms.boot_s, BOOTS * booted_s))


def _ready(stack: Stack, plan: Plan) -> frozenset[str]:
    """Waits until a worker has run a step; what the program can do."""
    probe = {"task": "Probe", "plan": [{"step_id": 1, "agent": "soak-work", "payload": {"text": "probe"}}]}
    with Web(stack.urls, Random(plan.seed)) as web:
        task_id = web.ask("POST", "/run-task", body=probe).task_id
        _wait(lambda: web.ask("GET", f"/tasks/{task_id}").body.get("status") == "completed", "no worker started")
        found = features.find(web.ask("GET", "/openapi.json").body)
    stack.ledger.client.delete(NOTES)
    return found


def _await_apis(urls: list[str]) -> None:
    for url in urls:
        with Web([url], Random()) as web:
            _wait(lambda: web.ask("GET", "/readyz").status == 200, "an API process did not start")


def _wait(condition: Callable[[], bool], what: str) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    pause = threading.Event()
    while not condition():
        if time.monotonic() > give_up_s:
            raise TimeoutError(what)
        pause.wait(0.1)


def _drain(stack: Stack, say: Say) -> float:
    """Waits until no task is open and nothing is waiting, delayed or in flight; what is left then is left over."""
    began_s = time.monotonic()
    client = stack.server.client
    admin = QueueAdmin(client, NAMESPACE)
    pause = threading.Event()
    while time.monotonic() - began_s < DRAIN_TIMEOUT_S:
        unfinished = sum(stats.unfinished for stats in admin.stats_of(admin.queues()).values())
        if not unfinished and not client.zcard(Keys(NAMESPACE).open):
            break
        pause.wait(0.1)
    drained_s = time.monotonic() - began_s
    say(f"drained in {drained_s:.1f} s")
    return drained_s
