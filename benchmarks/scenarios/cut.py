"""The holder's power is cut, and the Pi boots again."""

from __future__ import annotations

from benchmarks.effort import Effort
from benchmarks.figures import Figures
from benchmarks.scenarios.moves import COLUMNS, moved
from benchmarks.stage import Stage

__all__ = ["COLUMNS", "play"]


def play(stage: Stage, effort: Effort) -> Figures:
    return moved(stage, effort.cuts, stage.machines.cut, stage.machines.plug)
