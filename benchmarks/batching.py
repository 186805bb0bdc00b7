"""
What does it gain to send ready steps of one agent together?

    python -m benchmarks.batching [--tasks 20] [--steps 200] [--rounds 3]

Tasks of many steps side by side, once with `batch_size_max` 1 and once with 8; of steps that do nothing and of steps
that wait 10 ms as for another service. Two worker processes of eight threads. The queue is filled first; rounds are
interleaved and the tables have medians.
"""

import argparse
import statistics
from collections import defaultdict
from dataclasses import dataclass

from .broker_rig import show
from .redis_work import measured
from .task_rig import TaskRig, fan, server_binary, task_rig

SIZES = (1, 8)
KINDS = {"noop": "no-op", "nap": "10 ms wait"}


@dataclass(frozen=True, slots=True)
class Figures:
    """One run."""

    messages: float
    submit_us: float
    run_us: float
    steps_per_s: float


def run(rig: TaskRig, agent: str, options: argparse.Namespace) -> Figures:
    """Fills the queue, counts its messages, drains it."""
    steps = options.tasks * options.steps
    rig.drain([fan(agent, 2, join=False)], [agent])  # the server and the code know their scripts from here on
    with measured(rig.client) as submission:
        rig.submit([fan(agent, options.steps, join=False)] * options.tasks)
    messages = rig.waiting(agent)
    with measured(rig.client) as work, rig.workers([agent]):
        seconds = rig.timed(rig.wait_done)
    return Figures(messages / steps, submission.scripts_us / steps, work.scripts_us / steps, steps / seconds)


def rows(results: dict[str, list[Figures]]) -> list[list[object]]:
    table: list[list[object]] = []
    for kind, title in KINDS.items():
        first = 0.0
        for size in SIZES:
            figures = results[f"{kind}{size}"]
            speed = median(figures, "steps_per_s")
            first = first or speed
            costs = [median(figures, name) for name in ("messages", "submit_us", "run_us")]
            table.append([title, size, *costs, f"{speed:,.0f}", speed / first])
    return table


def median(figures: list[Figures], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", default=server_binary(), help="a redis-server or valkey-server")
    options = parser.parse_args()
    results: dict[str, list[Figures]] = defaultdict(list)
    for _ in range(options.rounds):
        for agent in [f"{kind}{size}" for kind in KINDS for size in SIZES]:
            with task_rig(options.server) as rig:
                results[agent].append(run(rig, agent, options))
    show(
        f"{options.tasks} tasks of {options.steps} steps side by side, median of {options.rounds} rounds",
        ["steps", "batch_size_max", "messages per step", "submission in Redis, us per step",
         "run in Redis, us per step", "steps/s", "gain"],
        rows(results),
    )  # fmt: skip


if __name__ == "__main__":
    main()
