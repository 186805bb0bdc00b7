"""
What does dispatch cost Redis: time and memory, per step and per task, and do they stay flat?

    python -m benchmarks.dispatch_scale [--only work,memory,open,fan] [--tasks 2000] [--open 100,1000,10000,100000]

work: time in scripts per step of three-step no-op tasks, submission and broker included, then the same by script.
memory: what finished tasks keep until their retention ends, by family of keys.
open: the cost of running tasks beside many that wait in a queue nobody reads.
fan: one task of 200 steps, the last of which waits for all others.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable

from .broker_rig import show
from .redis_work import Work, measured
from .task_rig import TaskRig, chain, fan, server_binary, task_rig

QUEUE = "noop"
STEPS = 3
WARM_UP = 100
FAN_STEPS = 200
FAN_ROUNDS = 5


def work(rig: TaskRig, options: argparse.Namespace) -> None:
    plans, steps = [chain(QUEUE)] * options.tasks, STEPS * options.tasks
    rig.drain([chain(QUEUE)] * WARM_UP, [QUEUE])
    with measured(rig.client) as quiet:
        rig.drain(plans, [QUEUE])
    with measured(rig.client, by_call=True) as listed:
        rig.drain(plans, [QUEUE])
    show(
        f"Redis work per step, {options.tasks} tasks of three steps",
        ["in scripts, us", "CPU, us"],
        [[quiet.scripts_us / steps, quiet.cpu_us / steps]],
    )
    show("The same by script (a second run)", ["script", "calls per step", "median us", "us per step", "share"],
         by_script(listed, steps))  # fmt: skip


def by_script(listed: Work, steps: int) -> list[list[object]]:
    rows = sorted(listed.calls.items(), key=lambda row: -sum(row[1]))
    return [
        [name, len(us) / steps, float(statistics.median(us)), sum(us) / steps, f"{sum(us) / listed.scripts_us:.0%}"]
        for name, us in rows
        if sum(us) > listed.scripts_us / 1000
    ]


def memory(rig: TaskRig, options: argparse.Namespace) -> None:
    rig.drain([chain(QUEUE)] * WARM_UP, [QUEUE])
    before, used = families(rig), used_memory(rig)
    rig.drain([chain(QUEUE)] * options.tasks, [QUEUE])
    after, used = families(rig), used_memory(rig) - used
    grown = {family: (after[family] - before[family]) / options.tasks for family in after}
    bounded = grown.pop("fire", 0.0) * options.tasks
    rows: list[list[object]] = [["all, without the firehose", (used - bounded) / options.tasks]]
    rows += [[family, size] for family, size in sorted(grown.items(), key=lambda row: -row[1]) if abs(size) > 1]
    show(f"Bytes per finished task of three steps, {options.tasks} tasks", ["keys", "bytes"], rows)
    print(f"\nThe firehose, bounded and shared by all tasks, holds {after['fire'] / 1e6:.1f} MB.")


def families(rig: TaskRig) -> Counter[str]:
    """Bytes by what stands behind the hash tag; an index of the server's own is in no key."""
    sizes: Counter[str] = Counter()
    for key in rig.client.scan_iter(count=1000):
        family = key.decode().partition("}:")[2].partition(":")[0]
        sizes[family] += rig.client.memory_usage(key, samples=0) or 0
    return sizes


def used_memory(rig: TaskRig) -> int:
    time.sleep(1)  # connections of ended workers are freed a moment later
    return int(rig.client.info("memory")["used_memory"])


def open_tasks(rig: TaskRig, options: argparse.Namespace) -> None:
    plans, rows, first = [chain(QUEUE)] * options.running, [], 0.0
    rig.drain([chain(QUEUE)] * WARM_UP, [QUEUE])
    for count in [int(text) for text in options.open.split(",")]:
        rig.submit([chain("parked")] * (count - rig.open_tasks()))
        with measured(rig.client) as done:
            rig.drain(plans, [QUEUE])
        cost = done.scripts_us / STEPS / options.running
        first = first or cost
        rows.append([f"{count:,}", cost, done.cpu_us / STEPS / options.running, cost / first])
    show("Running beside open tasks", ["open", "in scripts, us per step", "CPU, us per step", "ratio"], rows)


def fan_out(rig: TaskRig, options: argparse.Namespace) -> None:
    rig.submit([fan(QUEUE, 2)])  # the server knows the script from here on
    submitted, ran, seconds = [], [], []
    for _ in range(FAN_ROUNDS):
        with measured(rig.client) as one_call:
            rig.submit([fan(QUEUE, FAN_STEPS)])
        submitted.append(one_call.scripts_us / 1000)
        with measured(rig.client) as run, rig.workers([QUEUE]):
            seconds.append(rig.timed(rig.wait_done))
        ran.append(run.scripts_us / FAN_STEPS)
    show(
        f"One task of {FAN_STEPS} steps with a join, median of {FAN_ROUNDS}",
        ["submission in Redis, ms", "run in Redis, us per step", "first start to end, s"],
        [[statistics.median(submitted), statistics.median(ran), statistics.median(seconds)]],
    )


PARTS: dict[str, Callable[[TaskRig, argparse.Namespace], None]] = {
    "work": work,
    "memory": memory,
    "open": open_tasks,
    "fan": fan_out,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--running", type=int, default=500, help="tasks measured beside the open ones")
    parser.add_argument("--open", default="100,1000,10000,100000")
    parser.add_argument("--server", default=server_binary(), help="a redis-server or valkey-server")
    options = parser.parse_args()
    for name in options.only.split(","):
        with task_rig(options.server) as rig:
            PARTS[name](rig, options)


if __name__ == "__main__":
    main()
