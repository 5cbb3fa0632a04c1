"""Whoever holds is cut off from everybody for a quarter of a second, and again, and again."""

from __future__ import annotations

from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures
from benchmarks.stage import Stage

COLUMNS = (
    Column("outage_ms", "longest dark"),
    Column("moves", "moves", unit=""),
    Column("double_ms", "two at once"),
)
HALF_S = 0.25


def play(stage: Stage, effort: Effort) -> Figures:
    watch = stage.watch()
    held = stage.known_holder()
    for _ in range(effort.flaps):
        held = stage.holder or held
        stage.machines.part([held])
        stage.go_on(HALF_S)
        stage.machines.heal()
        stage.go_on(HALF_S)
    stage.go_on(effort.after_s)
    seen = watch.seen()
    return {"outage_ms": [seen.outage_ms], "moves": [seen.moves], "double_ms": [seen.double_ms]}
