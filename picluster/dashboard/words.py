"""Numbers as a person would say them, short enough for a column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from picluster.model.snapshot import NodeState, NodeView

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
TROUBLE = (
    NodeState.SILENT,
    NodeState.NO_QUORUM,
    NodeState.DEGRADED,
    NodeState.LEFT,
    NodeState.STANDBY,
    NodeState.STARTING,
)
"""States in which a node is missing from a healthy cluster, the worst first."""


def duration(seconds: float) -> str:
    """Two figures at most: `<1 s`, `48 s`, `7 min`, `3 h`, `12 d`. Below a second it would only flicker."""
    if seconds < 1:
        return "<1 s"
    for limit, unit_s, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds // unit_s:.0f} {unit}"
    return f"{seconds // 86_400:.0f} d"


def milliseconds(length_ms: float) -> str:
    """`0.4 ms`, `148 ms`, `2.4 s`, `31 s`, `7 min`."""
    if length_ms < 10:
        return f"{length_ms:.1f} ms"
    if length_ms < 1_000:
        return f"{length_ms:.0f} ms"
    return f"{length_ms / 1_000:.1f} s" if length_ms < 10_000 else duration(length_ms / 1_000)


def number(count: int) -> str:
    """Up to six in words: `one`, `12`."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def tally(nodes: Iterable[NodeView]) -> str:
    """`1 silent, 6 ready`: how many nodes are in which state, the worst first."""
    counts = Counter(node.state for node in nodes)
    order = (*TROUBLE, *(state for state in NodeState if state not in TROUBLE))
    return ", ".join(f"{counts[state]} {state.value}" for state in order if counts[state])
