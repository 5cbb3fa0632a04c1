"""Every core is busy, memory is claimed and given back, and a disk is written to, all at ordinary priority. Nobody asks for
a move, so every move is one too many.

All virtual Pis share the cores of this machine, and so each of them is loaded as much as the others; the service and the
clients are, too.
"""

from __future__ import annotations

import time

from benchmarks.burners import burning
from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures
from benchmarks.stage import Stage, changes

COLUMNS = (
    Column("moves", "moves", unit=""),
    Column("outage_ms", "longest dark"),
    Column("double_ms", "two at once"),
)
LOOK_S = 10.0
"""How often it is looked at what the client has seen: it remembers half a minute."""
OVERLAP_NS = 10_000_000_000
"""How far each look goes back behind the one before, so that an outage between two is seen whole."""


def play(stage: Stage, effort: Effort) -> Figures:
    ledger, watch, path = stage.machines.client.ledger, stage.watch(), [stage.known_holder()]
    began_ns = since_ns = time.monotonic_ns()
    outage_ms = 0.0

    def look(seconds: float) -> None:
        nonlocal outage_ms, since_ns
        stage.go_on(seconds)
        now_ns = time.monotonic_ns()
        outage_ms = max(outage_ms, ledger.within(max(began_ns, since_ns - OVERLAP_NS), now_ns).outage_ms)
        path.extend(ledger.answerers(since_ns))
        since_ns = now_ns

    with burning(stage.machines.directory / "burners.log"):
        while since_ns < began_ns + effort.load_s * 1e9:
            look(min(LOOK_S, effort.load_s))
    look(effort.after_s)
    return {"moves": [changes(path)], "outage_ms": [outage_ms], "double_ms": [watch.seen().double_ms]}
