"""How long live events take to their viewers."""

from bisect import bisect_left

#: Seconds; times of events are whole milliseconds.
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class DeliveryLag:
    """
    A histogram: `counts` per bound of `BOUNDS_S`, the last for what is above all of them.

    Counted by hand because each push is observed: a metric of the library takes a lock and five times as long.
    """

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def observe(self, lag_s: float) -> None:
        """One delivery; by a clock that is behind that of Redis it took no time."""
        lag_s = max(0.0, lag_s)
        self.counts[bisect_left(BOUNDS_S, lag_s)] += 1
        self.sum_s += lag_s
