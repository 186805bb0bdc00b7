"""Random tasks: chains, diamonds, fans; steps that work, talk, fail, hang, and kill."""

from dataclasses import dataclass
from random import Random
from typing import Any

AGENTS = ("soak-work", "soak-work", "soak-plain", "soak-alone")
#: More attempts than any step has: it always fails.
ALWAYS = 1_000
ATTEMPTS_MAX = 4
HANG_TIMEOUT_MS = 300

Steps = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plans:
    """Makes plans; some steps take `long_ms`."""

    random: Random
    long_ms: int

    def plan(self) -> Steps:
        """A shape with work in it, and often a flaw."""
        steps = self.random.choice((self._chain, self._diamond, self._fan, self._single))()
        self.random.choices(
            (lambda _: None, self._flaky, self._doomed, self._slow, self._hanging, self._limited, self._once),
            (40, 20, 8, 12, 4, 8, 8),
        )[0](steps)
        return steps

    def deadly(self) -> Steps:
        """One step that kills whoever runs it, and one that waits for it in vain."""
        steps = self._chain(2)
        steps[0]["payload"]["deadly"] = True
        return steps

    def _step(self, step_id: int, parents: list[int]) -> dict[str, Any]:
        payload = {"text": f"step {step_id}", "work_ms": min(300, round(self.random.expovariate(1 / 25)))}
        agent = self.random.choice(AGENTS)
        if agent != "soak-plain":
            payload["talk"] = self.random.choice((0, 0, 0, 1, 5))
        return {"step_id": step_id, "agent": agent, "payload": payload, "depends_on": parents}

    def _single(self) -> Steps:
        return self._chain(1)

    def _chain(self, length: int = 0) -> Steps:
        length = length or self.random.randint(2, 5)
        return [self._step(n, [n - 1] if n > 1 else []) for n in range(1, length + 1)]

    def _diamond(self) -> Steps:
        return [self._step(1, []), self._step(2, [1]), self._step(3, [1]), self._step(4, [2, 3])]

    def _fan(self) -> Steps:
        """Out to many of one agent, so that they share messages, and back."""
        width = self.random.randint(3, 12)
        middle = [self._step(n, [1]) for n in range(2, width + 2)]
        for step in middle:
            step["agent"] = "soak-work"
        return [self._step(1, []), *middle, self._step(width + 2, [step["step_id"] for step in middle])]

    def _flaky(self, steps: Steps) -> None:
        self._some(steps)["payload"]["fails"] = self.random.randint(1, ATTEMPTS_MAX - 1)

    def _doomed(self, steps: Steps) -> None:
        """Fails for good, one way or another; what that means for the task is the plan's to say."""
        step = self._some(steps)
        if self.random.random() < 0.4:
            step["payload"]["permanent"] = True
        else:
            step["payload"]["fails"] = self.random.choice((ALWAYS, ATTEMPTS_MAX))
            step["max_attempts"] = self.random.randint(1, ATTEMPTS_MAX)
        step["on_failure"] = self.random.choice(("fail", "skip", "continue"))

    def _slow(self, steps: Steps) -> None:
        """Longer than a lease: only its worker's signs of life keep it there."""
        self._some(steps)["payload"]["work_ms"] = self.long_ms

    def _hanging(self, steps: Steps) -> None:
        step = self._some(steps)
        step["payload"]["work_ms"] = 60_000 if step["agent"] != "soak-plain" else 2 * HANG_TIMEOUT_MS
        step["timeout_ms"] = HANG_TIMEOUT_MS
        step["max_attempts"] = 2

    def _limited(self, steps: Steps) -> None:
        self._some(steps)["payload"] |= {"limited": self.random.randint(1, 2), "limited_ms": 300}

    def _once(self, steps: Steps) -> None:
        step = self._some(steps)
        if step["agent"] != "soak-plain":
            step["payload"] |= {"once": True, "fails": self.random.randint(0, 1)}

    def _some(self, steps: Steps) -> dict[str, Any]:
        return self.random.choice(steps)
