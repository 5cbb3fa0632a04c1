"""What scenarios have in common in which the address has to move, again and again."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.figures import Column, Figures, Summary
from benchmarks.stage import Stage

__all__ = ["COLUMNS", "moved"]

COLUMNS = (
    Column("outage_ms", "median", summary=Summary.MEDIAN, compared=True),
    Column("outage_ms", "worst", compared=True),
    Column("double_ms", "two at once", summary=Summary.TOTAL),
)

Deed = Callable[[str], object]


def moved(stage: Stage, times: int, deed: Deed, undo: Deed) -> Figures:
    """Do something to the holder after which another node has to answer, undo it, and so on. Whether two answer is watched
    until all is calm again: a return can be the worse part."""
    figures: dict[str, list[float]] = {"outage_ms": [], "double_ms": []}
    for _ in range(times):
        watch, held = stage.watch(), stage.known_holder()
        figures["outage_ms"].append(stage.move(held, deed).outage_ms)
        undo(held)
        stage.go_on(stage.calm_s)
        figures["double_ms"].append(watch.seen().double_ms)
    return figures
