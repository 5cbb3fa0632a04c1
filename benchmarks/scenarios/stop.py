"""The holder's daemon is stopped on purpose, as its service manager does it: SIGTERM, and it may say goodbye."""

from __future__ import annotations

from benchmarks.effort import Effort
from benchmarks.figures import Figures
from benchmarks.scenarios.moves import COLUMNS, moved
from benchmarks.stage import Stage

__all__ = ["COLUMNS", "play"]


def play(stage: Stage, effort: Effort) -> Figures:
    return moved(stage, effort.stops, stage.machines.end_agent, stage.machines.start_agent)
