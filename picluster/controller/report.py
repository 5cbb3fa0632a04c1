"""What became of it: a line for each node, how the stack stands, and what to try next. A value, its exit code, its text."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.controller.health import Standing

__all__ = ["NodeReport", "Report", "State", "lines"]


class State(enum.Enum):
    NOTHING = "nothing to do"
    CHANGED = "changed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NodeReport:
    node: str
    state: State
    took_s: float = 0.0
    changes: int = 0
    text: str = ""
    """Why it failed; otherwise what people should know."""
    rebooted: bool = False
    awaits_reboot: bool = False

    @property
    def result(self) -> str:
        """In two or three words."""
        count = f"{self.changes} change{'' if self.changes == 1 else 's'}"
        return f"{count if self.state is State.CHANGED else self.state.value}{', rebooted' if self.rebooted else ''}"


@dataclass(frozen=True, slots=True)
class Report:
    nodes: tuple[NodeReport, ...]
    took_s: float
    standing: Standing | None = None
    """None where nobody was asked, since nothing was done."""
    troubles: tuple[str, ...] = ()
    """What is not well in the stack as a whole."""

    @property
    def failed(self) -> tuple[NodeReport, ...]:
        return tuple(node for node in self.nodes if node.state is State.FAILED)

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return any(node.changes or node.rebooted for node in self.nodes)

    @property
    def exit_code(self) -> int:
        """0: all is done; 1: some of it; 2: no node could be done."""
        if self.nodes and len(self.failed) == len(self.nodes):
            return 2
        return 1 if self.failed or self.troubles else 0

    def as_json(self) -> dict[str, object]:
        nodes = [
            {
                "node": one.node,
                "state": one.state.value,
                "changes": one.changes,
                "text": one.text,
                "took_s": round(one.took_s, 2),
                "rebooted": one.rebooted,
                "awaits_reboot": one.awaits_reboot,
            }
            for one in self.nodes
        ]
        holders = dict(self.standing.holders) if self.standing else {}
        return {"nodes": nodes, "took_s": round(self.took_s, 2), "holders": holders, "troubles": list(self.troubles)}


def lines(report: Report) -> list[str]:
    """The table of what was done, and what follows from it."""
    told = _table(report.nodes)
    if report.standing is not None:
        told += [f"{address} is held by {holder}" for address, holder in report.standing.holders.items() if holder]
    told += [f"✗ {trouble}" for trouble in report.troubles]
    return [*told, f"{_summary(report)} in {report.took_s:.1f} s"]


def _table(nodes: Sequence[NodeReport]) -> list[str]:
    names, results = (max((len(text) for text in column), default=0) for column in _columns(nodes))
    return [_line(one, names, results) for one in nodes]


def _columns(nodes: Sequence[NodeReport]) -> tuple[list[str], list[str]]:
    return [one.node for one in nodes], [one.result for one in nodes]


def _line(one: NodeReport, names: int, results: int) -> str:
    sign = "✗" if one.state is State.FAILED else "·" if one.state is State.NOTHING else "✓"
    first, *rest = one.text.splitlines() or [""]
    waits = "waits for a reboot" if one.awaits_reboot else ""
    words = "; ".join(filter(None, (first, waits)))
    line = f"{sign} {one.node:<{names}}  {one.result:<{results}}  {one.took_s:>6.1f} s  {words}".rstrip()
    return "\n".join([line, *(f"    {more}" for more in rest)])


def _summary(report: Report) -> str:
    if report.failed:
        return f"{len(report.failed)} of {len(report.nodes)} nodes failed"
    done = "done" if report.changed else "nothing to do"
    return f"{done}, but not all is well" if report.troubles else done
