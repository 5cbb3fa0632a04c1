"""The network is cut in two, with a client on each side: the holder with the second client, all others with the first. The
auditor hears both sides. Then it heals, and both clients have to reach the one that holds.

A client may talk to the wrong node for long after a partition, for its kernel remembers where the address was last: whoever
holds has to announce itself again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures
from benchmarks.stage import SECOND_CLIENT, Stage
from picluster.lab.namespaces import CLIENT

COLUMNS = (
    Column("double_ms", "two at once"),
    Column("healed_ms", "clients agree after"),
)
BEFORE_S = 0.5


def play(stage: Stage, effort: Effort) -> Figures:
    held = stage.known_holder()
    with stage.second_client() as second:
        stage.go_on(BEFORE_S)
        watch = stage.watch()
        stage.machines.block(ways(stage, held))
        stage.go_on(effort.partition_s)
        stage.machines.heal()
        healed_ms = last_ms(stage, lambda: not stage.holder or stage.holder != second.answering, effort.healed_s)
        return {"double_ms": [watch.seen().double_ms], "healed_ms": [healed_ms]}


def ways(stage: Stage, held: str) -> list[tuple[str, str]]:
    """All those between the two sides, in both directions."""
    others = [name for name in stage.machines.stack.names if name != held]
    pairs = [(one, other) for one in (held, SECOND_CLIENT) for other in (*others, CLIENT)]
    return [*pairs, *((other, one) for one, other in pairs)]


def last_ms(stage: Stage, apart: Callable[[], bool], watched_s: float) -> float:
    """How long after now it was the case for the last time. Clients that are apart all the time count as if they agreed at
    the end of it."""
    began_ns = last_ns = time.monotonic_ns()

    def look() -> bool:
        nonlocal last_ns
        if apart():
            last_ns = time.monotonic_ns()
        return False

    stage.until(look, watched_s)
    return (last_ns - began_ns) / 1e6
