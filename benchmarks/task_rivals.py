"""
How many three-step tasks get done in a second, ours and those of other queues?

    python -m benchmarks.task_rivals [--only ours,celery] [--tasks 2000] [--rounds 3] [--environments FOLDER]

Three steps that do nothing, the second waiting for the first and the third for the second. Ours keeps state, results
and events of all of them, and a task counts when its terminal event is out; with others a chain counts when its last
step runs. Both are recorded in a file, outside the store. Two worker processes of eight threads or coroutines each,
one submitting process with eight calls at a time. Each measurement has a fresh server of its own on the loopback;
the rounds are interleaved, the table has medians. Packages are installed into virtualenvs that are thrown away
unless `--environments` names a folder for them.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from .broker_rig import show
from .rival_catalogue import RIVALS
from .rival_environments import NotInstalled, environment_of
from .rival_run import RunFailed, drain, live, opened
from .rival_stores import StoreMissing
from .task_rig import server_binary

Results = dict[str, dict[str, list[float]]]

COLUMNS = {
    "drain": "drain, tasks/s",
    "live": "while submitting, tasks/s",
    "submit": "submitted/s",
    "worker_us": "worker CPU us per task",
    "cpu_us": "server CPU us per task",
    "bytes": "bytes of Redis per finished task",
}


def prepare(names: list[str], folder: Path) -> dict[str, Path]:
    """The programs of each; says what cannot be installed, and goes on without it."""
    ready = {}
    for name in names:
        try:
            ready[name] = environment_of(RIVALS[name], folder)
        except NotInstalled as error:
            print(f"{name}: could not be installed: {error}", file=sys.stderr)
    return ready


def measure(name: str, programs: Path, options: argparse.Namespace) -> dict[str, float]:
    """Both measurements of one round; empty when one of them failed, with the reason on stderr."""
    result: dict[str, float] = {}
    try:
        for way in (drain, live):
            with opened(RIVALS[name], programs, options.server) as run:
                result.update(way(run, options.tasks))
    except (RunFailed, StoreMissing, subprocess.SubprocessError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return {}
    print(f"{name}: {', '.join(f'{key} {value:,.0f}' for key, value in result.items())}", file=sys.stderr)
    return result


def rows(results: Results) -> list[list[object]]:
    medians = {
        name: {column: statistics.median(values) for column, values in columns.items()}
        for name, columns in results.items()
    }
    ours = medians.get("ours", {})
    return [
        [name, RIVALS[name].keeps, *(_cell(values, ours, column) for column in COLUMNS)]
        for name, values in medians.items()
    ]


def _cell(values: dict[str, float], ours: dict[str, float], column: str) -> str:
    """The figure, and ours divided by it."""
    if column not in values:
        return "-"
    ratio = f" ({ours[column] / values[column]:.2f})" if column in ours and values[column] > 0 else ""
    return f"{values[column]:,.0f}{ratio}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(RIVALS), help="some of " + ",".join(RIVALS))
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environments", type=Path, help="keeps the virtualenvs here")
    parser.add_argument("--server", default=server_binary(), help="a redis-server or valkey-server")
    options = parser.parse_args()
    results: Results = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="bench-rivals-") as name:
        ready = prepare(options.only.split(","), options.environments or Path(name))
        for _ in range(options.rounds):
            for rival, programs in ready.items():
                for column, value in measure(rival, programs, options).items():
                    results[rival][column].append(value)
    show(
        f"{options.tasks} tasks of three steps, median of {options.rounds} rounds; in brackets, ours divided by it",
        ["queue", "keeps", *COLUMNS.values()],
        rows(results),
    )


if __name__ == "__main__":
    main()
