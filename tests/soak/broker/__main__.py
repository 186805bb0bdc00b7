"""
Breaks a broker at random for a while and judges what is left.

    python -m tests.soak.broker [--seconds 120] [--seed 1] [--control]

Workers are killed and frozen, Redis is killed and restarted with its append-only file, connections are cut;
an independent ledger in a second Redis holds every start and end. Exit code 1 on any violation.
SOAK_LOG=file keeps what the workers log.
"""

import argparse
import sys

from ..faults import by_kind
from ..scorecard import counts, end_cleanly, say, show
from .soak import Outcome, Plan, soak


def rows(outcome: Outcome, plan: Plan) -> dict[str, str]:
    """The scorecard."""
    evidence, findings = outcome.evidence, outcome.findings
    unsure = sum(not sent.accepted for sent in evidence.sent)
    return {
        "seed": str(plan.seed),
        "seconds": f"{plan.seconds:.0f} and {outcome.drained_s:.1f} to drain",
        "messages": f"{len(evidence.sent)}, of which {unsure} unsure",
        "runs": str(len(evidence.runs)),
        "faults": f"{len(evidence.blows)}: {counts(by_kind(evidence.blows))}",
        "duplicates": f"{findings.duplicates} explained: {counts(findings.explained)}",
        "a run cut off starts again": f"{findings.recovery_s_max:.1f} s after its first start at most",
        "lease": f"{plan.lease_ms / 1000:.1f} s; the longest messages take {plan.long_ms / 1000:.1f} s",
        "lost": str(sum(violation.startswith("lost") for violation in findings.violations)),
    }


def main() -> int:
    end_cleanly()
    defaults = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=defaults.seconds)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--control", action="store_true", help="break nothing: then a single duplicate is a violation")
    parser.add_argument("--workers", type=int, default=defaults.workers)
    parser.add_argument("--threads", type=int, default=defaults.threads)
    parser.add_argument("--lease-ms", type=int, default=defaults.lease_ms)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="messages per second")
    parser.add_argument("--server", help="path of the server binary; default: the bundled one")
    plan = Plan(**vars(parser.parse_args()))
    outcome = soak(plan, say)
    show(rows(outcome, plan), outcome.findings.violations)
    return 1 if outcome.findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())
