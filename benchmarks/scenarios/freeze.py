"""The holder's daemon hangs (SIGSTOP) while its kernel goes on answering; later it goes on as if nothing had been."""

from __future__ import annotations

from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures
from benchmarks.stage import Stage

COLUMNS = (
    Column("double_ms", "two at once"),
    Column("outage_ms", "longest dark"),
)


def play(stage: Stage, effort: Effort) -> Figures:
    held, watch = stage.known_holder(), stage.watch()
    stage.machines.freeze(held)
    stage.go_on(effort.frozen_s)
    stage.machines.thaw(held)
    stage.go_on(effort.after_s)
    seen = watch.seen()
    return {"double_ms": [seen.double_ms], "outage_ms": [seen.outage_ms]}
