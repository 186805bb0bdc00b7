"""
How long the rules take to plan a task: `python -m benchmarks.planning`.

Over the tasks of the tests' table, over texts built to be slow, and over random ones of the greatest length that a task
may have. CPU time of this thread, the best of several runs each: what else the machine does is left out.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence

from app.planning.rules import RulePlanner
from tests.unit.planning.hostile import HOSTILE
from tests.unit.planning.tasks import TASKS

CHARS_MAX = 20_000


def best_ms(goal: str, runs: int) -> float:
    """The shortest of the runs: the rest is what the machine did besides."""
    planner, found = RulePlanner(), []
    for _ in range(runs):
        began = time.thread_time()
        planner.plan(goal)
        found.append((time.thread_time() - began) * 1000)
    return min(found)


def random_texts(count: int, seed: int) -> list[str]:
    """The words of all tasks in any order, as long as a task may be."""
    chosen = random.Random(seed)
    words = [*" ".join(task.text for task in TASKS).split(" "), "\n", "; ", ", ", "? ", "- "]
    return [" ".join(chosen.choices(words, k=CHARS_MAX // 4))[:CHARS_MAX] for _ in range(count)]


def row(name: str, texts: Sequence[str], runs: int) -> None:
    times = sorted(best_ms(text, runs) for text in texts)
    longest = max(map(len, texts))
    print(f"| {name} | {len(texts)} | {longest:,} | {statistics.median(times):.2f} | {times[-1]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--random", type=int, default=100, help="random texts")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| texts | number | longest, characters | p50 ms | max ms |\n|---|---|---|---|---|")
    row("the table of tasks", [task.text for task in TASKS], options.runs)
    row("built to be slow", HOSTILE, options.runs)
    row("random, of the greatest length", random_texts(options.random, options.seed), options.runs)


if __name__ == "__main__":
    main()
