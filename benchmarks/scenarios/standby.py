"""The holder is told by its system's own command to hold nothing for a while: no process ends."""

from __future__ import annotations

from functools import partial

from benchmarks.effort import Effort
from benchmarks.figures import Figures
from benchmarks.scenarios.moves import COLUMNS, moved
from benchmarks.stage import Stage

__all__ = ["COLUMNS", "play"]


def play(stage: Stage, effort: Effort) -> Figures:
    machines = stage.machines
    return moved(stage, effort.stops, partial(machines.standby, on=True), partial(machines.standby, on=False))
