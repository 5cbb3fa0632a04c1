"""A machine's clock: it starts at zero when the machine is switched on, and runs a little too fast or too slow.

Two clocks differ by at most the drift margin, which is what the failover rules rely on: each is drawn within half of it
to either side, and a hair less, since two halves multiply.
"""

from __future__ import annotations

from random import Random

from picluster.model.timing import DRIFT_RATIO

BILLION = 1_000_000_000
HALF_MARGIN = round(DRIFT_RATIO / (2 + DRIFT_RATIO) * BILLION) - 10
"""How far one clock is off, at most, in billionths: (1 + h) / (1 - h) stays below 1 + DRIFT_RATIO."""


def draw_rate(chance: Random) -> int:
    """Local nanoseconds in a true second. Mostly at the very edge, where the rules have nothing to spare."""
    if chance.random() < 0.8:
        return BILLION + chance.choice((-HALF_MARGIN, HALF_MARGIN))
    return BILLION + chance.randint(-HALF_MARGIN, HALF_MARGIN)


class DriftingClock:
    """CLOCK_BOOTTIME of one machine in one boot."""

    __slots__ = ("_rate", "_started_ns")

    def __init__(self, started_ns: int, rate: int) -> None:
        """`started_ns` is the true time of power-on (before the world began: negative), `rate` local ns in a true second."""
        self._started_ns = started_ns
        self._rate = rate

    def local_ns(self, true_ns: int) -> int:
        """What the clock shows, at that true time."""
        return (true_ns - self._started_ns) * self._rate // BILLION

    def true_ns(self, local_ns: int) -> int:
        """The first true nanosecond at which the clock shows at least that."""
        return self._started_ns - (-local_ns * BILLION // self._rate)
