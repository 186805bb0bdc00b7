"""What a soak prints: one row per figure, then the violations."""

import signal
import sys
from collections.abc import Mapping, Sequence

VIOLATIONS_SHOWN = 20


def end_cleanly() -> None:
    """SIGTERM ends a soak like Ctrl-C: its processes go with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def show(rows: Mapping[str, str], violations: Sequence[str]) -> None:
    for name, value in {**rows, "violations": str(len(violations))}.items():
        say(f"  {name:32}{value}")
    for violation in violations[:VIOLATIONS_SHOWN]:
        say(f"  ! {violation}")


def counts(numbers: Mapping[str, int]) -> str:
    """`a 1, b 2`, or none."""
    return ", ".join(f"{name} {count}" for name, count in sorted(numbers.items())) or "none"
