"""
Breaks a whole deployment at random for a while and judges what is left.

    python -m tests.soak.tasks [--seconds 120] [--seed 1] [--control]

API and worker processes are killed, frozen and asked to stop, Redis is killed, filled and cut off, while clients
submit, steer and follow tasks; an independent ledger in a second Redis holds every start and end. Exit code 1 on
any violation. SOAK_LOG=folder keeps what the processes log, and the logs of tasks with a
violation.
"""

import argparse
import os
import sys
from pathlib import Path

from ..faults import Fault
from ..scorecard import end_cleanly, say, show
from .report import keep, rows
from .soak import WEIGHTS, Plan, soak
from .stack import Size


def main() -> int:
    end_cleanly()
    defaults = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=defaults.seconds)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--control", action="store_true", help="break nothing: then a single duplicate is a violation")
    parser.add_argument("--rate", type=float, default=defaults.rate, help="tasks per second")
    parser.add_argument("--apis", type=int, default=defaults.size.apis)
    parser.add_argument("--workers", type=int, default=defaults.size.workers)
    parser.add_argument("--threads", type=int, default=defaults.size.threads)
    parser.add_argument("--lease-ms", type=int, default=defaults.size.lease_ms)
    parser.add_argument("--faults", help="only these, as in 'kill,api freeze'")
    found = parser.parse_args()
    kinds = [Fault(word) for word in found.faults.split(",")] if found.faults else list(WEIGHTS)
    size = Size(found.apis, found.workers, found.threads, found.lease_ms)
    plan = Plan(
        seconds=found.seconds, seed=found.seed, control=found.control, rate=found.rate, size=size,
        weights={kind: WEIGHTS[kind] for kind in kinds},
    )  # fmt: skip
    outcome = soak(plan, say)
    show(rows(outcome, plan), outcome.findings.violations)
    if folder := os.environ.get("SOAK_LOG"):
        keep(outcome, Path(folder) / "violations.json")
    return 1 if outcome.findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())
