"""How long to wait before the next try."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    Exponential backoff with full jitter: between 0 and `base_ms * factor ** (failures - 1)`, at most `max_ms`.

    Full jitter spreads a crowd that failed together over the whole interval.
    """

    base_ms: int
    max_ms: int
    factor: float = 2

    def __post_init__(self) -> None:
        if not (0 <= self.base_ms <= self.max_ms and self.factor >= 1):
            raise ValueError("A backoff needs 0 <= base_ms <= max_ms and factor >= 1.")

    def ceiling_ms(self, failures: int) -> int:
        """The longest wait after so many failures in a row; `failures` counts from 1."""
        ceiling = float(self.base_ms)
        for _ in range(max(0, failures - 1)):
            if ceiling >= self.max_ms or self.factor == 1 or ceiling == 0:
                break
            ceiling *= self.factor
        return int(min(ceiling, self.max_ms))

    def delay_ms(self, failures: int, random: Random) -> int:
        """The wait before the next try, in whole milliseconds."""
        return random.randint(0, self.ceiling_ms(failures))
