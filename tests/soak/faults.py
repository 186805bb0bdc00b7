"""Faults, and which of them explains a second start."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar


class Fault(StrEnum):
    """What an injector does. Without a prefix it hits the workers or Redis."""

    KILL = "kill"
    FREEZE = "freeze"
    TERMINATE = "terminate"
    RESTART = "restart"
    CUT = "cut"
    FULL = "full"
    API_KILL = "api kill"
    API_FREEZE = "api freeze"
    API_TERMINATE = "api terminate"


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault, from its beginning until its cause is gone; `victim` is the process group that it hit."""

    fault: Fault
    began_s: float
    ended_s: float
    victim: int = 0


#: How far the clocks of two processes on one machine may seem apart.
CLOCK_SLACK_S = 0.1


@dataclass(frozen=True, slots=True)
class Terms:
    """What the promises are measured by."""

    lease_s: float
    #: From a lapsed lease to a new start: a sweep, the longest run that may stand before it, and slack.
    margin_s: float
    #: Most messages or steps that one worker has begun and not settled.
    held_max: int
    workers: int
    crashes_max: int = 3
    #: A new API process serves within this.
    boot_s: float = 5.0

    def allowance(self, fault: Fault) -> int:
        """How many second starts one fault of this kind can explain."""
        # A worker that is asked to stop finishes what runs, and a cut connection hides only a reply: calls are
        # repeated and change nothing the second time. Neither excuses a second start.
        by_kind = {
            Fault.KILL: self.held_max,
            # Those that others run meanwhile, and those it still begins before it knows.
            Fault.FREEZE: 2 * self.held_max,
            Fault.RESTART: self.workers * self.held_max,
        }
        return by_kind.get(fault, 0)

    def covers(self, blow: Blow, at_s: float) -> bool:
        """Whether what happened at this time may come from this fault."""
        return blow.began_s - CLOCK_SLACK_S <= at_s <= blow.ended_s + self.lease_s + self.margin_s


class Start(Protocol):
    """Whatever began at some time."""

    @property
    def started_s(self) -> float: ...


AnyStart = TypeVar("AnyStart", bound=Start)


def attribute(
    repeats: Iterable[AnyStart],
    blows: Sequence[Blow],
    terms: Terms,
    fits: Callable[[Blow, AnyStart], bool] = lambda _blow, _repeat: True,
) -> tuple[Counter[str], list[AnyStart]]:
    """
    Gives each second start to a fault in whose window it lies, that fits it and that has room for it.

    In order of time, to the window that closes first: if any distribution explains them all, this one does.
    """
    room = [terms.allowance(blow.fault) for blow in blows]
    explained: Counter[str] = Counter()
    unexplained = []
    for repeat in sorted(repeats, key=lambda repeat: repeat.started_s):
        fitting = [
            n for n, blow in enumerate(blows) if room[n] and terms.covers(blow, repeat.started_s) and fits(blow, repeat)
        ]
        if not fitting:
            unexplained.append(repeat)
            continue
        first = min(fitting, key=lambda n: blows[n].ended_s)
        room[first] -= 1
        explained[blows[first].fault.value] += 1
    return explained, unexplained


def by_kind(blows: Iterable[Blow]) -> Counter[str]:
    return Counter(blow.fault.value for blow in blows)


@dataclass(frozen=True, slots=True)
class Findings:
    """The judgement: no violation, no blame."""

    violations: Sequence[str]
    #: Second starts, or attempts that took over from a silent worker, by the kind of fault that explains them.
    explained: Counter[str]
    #: From a start that came to no end to the next start of the same; the longest.
    recovery_s_max: float

    @property
    def duplicates(self) -> int:
        return self.explained.total()
