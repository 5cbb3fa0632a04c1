"""A fifth of all frames between the Pis is lost at random, in each direction. The clients' frames are spared, so that an
outage is one of the address, and not of the question about it."""

from __future__ import annotations

from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures
from benchmarks.stage import Stage

COLUMNS = (
    Column("outage_ms", "longest dark"),
    Column("moves", "moves", unit=""),
    Column("double_ms", "two at once"),
)
PERCENT = 20


def play(stage: Stage, effort: Effort) -> Figures:
    watch = stage.watch()
    stage.machines.lose(PERCENT)
    stage.go_on(effort.loss_s)
    stage.machines.lose(0)
    seen = watch.seen()
    stage.go_on(effort.after_s)
    return {"outage_ms": [seen.outage_ms], "moves": [seen.moves], "double_ms": [watch.seen().double_ms]}
