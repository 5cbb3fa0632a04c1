"""The clock that never jumps and never stands still: CLOCK_BOOTTIME (man 2 clock_getres).

CLOCK_MONOTONIC would stop while the machine sleeps, and a lease that ran out meanwhile would seem to be alive. Where there
is no CLOCK_BOOTTIME (macOS), CLOCK_MONOTONIC counts sleep as well.
"""

from __future__ import annotations

import time

__all__ = ["BootClock"]

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class BootClock:
    """A `picluster.ports.Clock`."""

    def now_ns(self) -> int:
        """Nanoseconds since the machine started, suspension included."""
        return time.clock_gettime_ns(_CLOCK)
