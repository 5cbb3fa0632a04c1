"""The holder's daemon is stopped on purpose, as its service manager does it: SIGTERM, and it may say goodbye."""

from __future__ import annotations

from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures, Summary
from benchmarks.stage import Stage

COLUMNS = (
    Column("outage_ms", "median", summary=Summary.MEDIAN, compared=True),
    Column("outage_ms", "worst", compared=True),
    Column("double_ms", "two at once", summary=Summary.TOTAL),
)


def play(stage: Stage, effort: Effort) -> Figures:
    figures: dict[str, list[float]] = {"outage_ms": [], "double_ms": []}
    for _ in range(effort.stops):
        watch, held = stage.watch(), stage.known_holder()
        figures["outage_ms"].append(stage.move(held, stage.machines.end_agent).outage_ms)
        stage.machines.start_agent(held)
        stage.go_on(stage.calm_s)
        figures["double_ms"].append(watch.seen().double_ms)
    return figures
