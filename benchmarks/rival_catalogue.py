"""The queues that are measured beside ours: their packages, their workers, and what they keep of a chain."""

from collections.abc import Callable
from dataclasses import dataclass, field

Command = list[str]

PROCESSES = 2
THREADS = 8


@dataclass(frozen=True, slots=True)
class Rival:
    """
    One way to run three steps.

    `program` is a module in `rivals/`; `workers` are commands of its virtualenv; without packages it runs in ours.
    """

    program: str
    workers: list[Command]
    packages: tuple[str, ...] = ()
    store: str = "redis"
    environment: dict[str, str] = field(default_factory=dict)
    keeps: str = ""


def _dramatiq(module: str, *more: str) -> list[Command]:
    return [["python", "-m", "dramatiq", module, "-p", str(PROCESSES), "-t", str(THREADS), *more]]


def _twice(command: Callable[[int], Command]) -> list[Command]:
    return [command(number) for number in range(PROCESSES)]


def _celery(pool: str, size: int, number: int) -> Command:
    node = f"bench{number}@%h"
    return ["celery", "-A", "celery_chain", "worker", "--pool", pool, "-c", str(size), "-l", "ERROR", "-n", node]


CELERY = ("celery[redis]==5.7.0", "redis==8.1.0", "hiredis==3.5.0")
DRAMATIQ = ("dramatiq[redis]==2.2.1", "redis==8.1.0", "hiredis==3.5.0")
DBOS = ("dbos==3.4.0",)
DBOS_POLL = {"BENCH_POLL_S": "0.05"}

RIVALS = {
    "ours": Rival(
        "ours_task", _dramatiq("actors", "-Q", "marker"), keeps="state, results, events",
        environment={"STEPSTREAM_AGENT_MODULES": "benchmarks.agents"},
    ),
    "celery": Rival(
        "celery_chain", _twice(lambda n: _celery("threads", THREADS, n)), CELERY, keeps="results",
    ),
    "celery-prefork": Rival("celery_chain", [_celery("prefork", PROCESSES, 0)], CELERY, keeps="results"),
    "dramatiq": Rival("dramatiq_pipeline", _dramatiq("dramatiq_pipeline"), DRAMATIQ, keeps="nothing"),
    "dramatiq-results": Rival(
        "dramatiq_pipeline", _dramatiq("dramatiq_pipeline"), DRAMATIQ, keeps="results",
        environment={"BENCH_RESULTS": "1"},
    ),
    "streaq": Rival(
        "streaq_chain", [["streaq", "run", "streaq_chain:worker", "--workers", str(PROCESSES)]],
        ("streaq==7.2.0", "coredis==6.9.0"), keeps="results",
    ),
    "docket": Rival(
        "docket_chain", _twice(lambda _: ["python", "docket_chain.py"]),
        ("pydocket==0.27.0", "redis==8.1.0", "hiredis==3.5.0"), keeps="state, results",
    ),
    "taskiq": Rival(
        "taskiq_pipeline",
        [["taskiq", "worker", "taskiq_pipeline:broker", "--workers", str(PROCESSES),
          "--max-async-tasks", str(THREADS), "--log-level", "ERROR"]],
        ("taskiq==0.13.0", "taskiq-redis==1.2.4", "taskiq-pipelines==0.1.4", "redis==8.1.0", "hiredis==3.5.0"),
        keeps="results",
    ),
    "dbos-sqlite": Rival(
        "dbos_workflow", _twice(lambda _: ["python", "dbos_workflow.py"]), DBOS, "sqlite", DBOS_POLL, "state, results",
    ),
    "dbos-postgres": Rival(
        "dbos_workflow", _twice(lambda _: ["python", "dbos_workflow.py"]), DBOS, "postgres", DBOS_POLL,
        "state, results",
    ),
}  # fmt: skip
