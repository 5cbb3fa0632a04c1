"""How long and how often: a full run, and a quick one that shows the same with fewer samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["FULL", "QUICK", "Effort"]


@dataclass(frozen=True, slots=True)
class Effort:
    cuts: int
    stops: int
    partition_s: float
    healed_s: float
    """How long it is watched after a partition has healed."""
    frozen_s: float
    loss_s: float
    load_s: float
    flaps: int
    rest_s: float
    after_s: float
    """How long it is watched after a fault has ended."""
    slow_cuts: int
    """Power cuts of a system whose outages last for seconds."""
    slow_stops: int

    def of_a_slow_one(self) -> Effort:
        return replace(self, cuts=self.slow_cuts, stops=self.slow_stops)


FULL = Effort(
    cuts=21,
    stops=6,
    partition_s=10.0,
    healed_s=5.0,
    frozen_s=5.0,
    loss_s=10.0,
    load_s=20.0,
    flaps=6,
    rest_s=10.0,
    after_s=2.0,
    slow_cuts=3,
    slow_stops=2,
)
QUICK = Effort(
    cuts=11,
    stops=2,
    partition_s=3.0,
    healed_s=2.5,
    frozen_s=2.0,
    loss_s=3.0,
    load_s=5.0,
    flaps=3,
    rest_s=5.0,
    after_s=1.0,
    slow_cuts=2,
    slow_stops=1,
)
