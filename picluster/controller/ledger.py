"""How far each node is: what progress adds up to. Pictures are drawn from it, and it is told after an interruption."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from picluster.controller.progress import Kind, Progress

__all__ = ["Ledger", "Row"]


@dataclass(slots=True)
class Row:
    """One node."""

    node: str
    began_s: float
    """By the ledger's clock."""
    doing: str = ""
    note: str = ""
    """Why it takes long, or the last line that a command said."""
    done: int = 0
    of: int = 0
    kind: Kind = Kind.STAGE
    ended_s: float | None = None

    @property
    def running(self) -> bool:
        return self.kind not in {Kind.ENDED, Kind.FAILED}

    def took_s(self, now_s: float) -> float:
        return (now_s if self.ended_s is None else self.ended_s) - self.began_s


class Ledger:
    """A row for each node, in the order of the inventory."""

    def __init__(self, nodes: Iterable[str], now_s: Callable[[], float] = time.monotonic) -> None:
        self.now_s = now_s
        began_s = now_s()
        self.rows = {node: Row(node, began_s) for node in nodes}

    def hear(self, progress: Progress) -> None:
        row = self.rows.get(progress.node)
        if row is None:
            return  # somebody else was only asked how it is
        row.kind = progress.kind
        row.ended_s = None
        match progress.kind:
            case Kind.OUTPUT | Kind.WAIT:
                row.note = progress.text
            case Kind.STAGE | Kind.STEP:
                row.doing, row.note = progress.text, ""
                row.done, row.of = progress.done, progress.of
            case Kind.ENDED:
                row.done, row.note, row.ended_s = row.of, "", self.now_s()
            case Kind.FAILED:
                row.note, row.ended_s = progress.text, self.now_s()

    def unfinished(self, nodes: Iterable[str]) -> list[str]:
        """How far each of these came."""
        return [f"{node}: {_how_far(self.rows[node])}" for node in nodes if node in self.rows]


def _how_far(row: Row) -> str:
    if row.of:
        return f"{row.done} of {row.of} steps are done; the one at hand is finished there: {row.doing}"
    return f"ended while {row.doing}" if row.doing else "nothing was done"
