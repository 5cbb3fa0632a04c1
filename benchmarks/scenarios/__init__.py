"""What happens to every system: each scenario under its name, with what is printed of its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.effort import Effort
from benchmarks.figures import Column, Figures
from benchmarks.scenarios import cost, cut, flapping, freeze, load, loss, partition, standby, stop
from benchmarks.stage import Stage

__all__ = ["SCENARIOS", "Scenario", "scenario"]


@dataclass(frozen=True, slots=True)
class Scenario:
    key: str
    """What it is called on the command line and in the results."""
    title: str
    columns: tuple[Column, ...]
    play: Callable[[Stage, Effort], Figures] = field(compare=False)


SCENARIOS = (
    Scenario("cut", "power cut of the holder: how long the address is dark", cut.COLUMNS, cut.play),
    Scenario("stop", "the holder's daemon is stopped on purpose", stop.COLUMNS, stop.play),
    Scenario("standby", "the holder is told to go on standby", standby.COLUMNS, standby.play),
    Scenario("partition", "partition, a client on each side, and its end", partition.COLUMNS, partition.play),
    Scenario("freeze", "the holder's daemon is frozen, and its kernel goes on", freeze.COLUMNS, freeze.play),
    Scenario("loss", "20 % of what the nodes send each other is lost", loss.COLUMNS, loss.play),
    Scenario("load", "every core is busy, and so are memory and disk", load.COLUMNS, load.play),
    Scenario("flapping", "the holder is cut off every half second", flapping.COLUMNS, flapping.play),
    Scenario("cost", "nothing happens: processor, memory, packets", cost.COLUMNS, cost.play),
)


def scenario(key: str) -> Scenario:
    return next(one for one in SCENARIOS if one.key == key)
