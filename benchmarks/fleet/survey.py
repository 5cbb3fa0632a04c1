"""Fleets of many sizes, one after the other, and what each kind of node costs in calm."""

from __future__ import annotations

import gc
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.fleet.board import Spent
from benchmarks.fleet.world import Fleet, Kind

__all__ = ["NODES", "VOTERS", "Cost", "Survey", "survey", "surveyed"]

NODES = (3, 5, 7, 10, 20, 50, 100)
VOTERS = (3, 5, 7)
SHORTEST_NS = 4_000_000_000
ROUNDS = 4
"""Of heartbeats, in the time that is measured; in small fleets there are more."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a mean node of one kind in one fleet; everything but `longest_us` a second of its time."""

    voters: int
    nodes: int
    kind: str
    wakes: float
    heard: float
    heard_bytes: float
    sent: float
    sent_bytes: float
    cpu_us: float
    """In the calmest round."""
    longest_us: float
    """Processor time of a node's longest turn in a round: the median of such nodes, in the calmest round."""


@dataclass(frozen=True, slots=True)
class Survey:
    machine: str
    costs: Sequence[Cost]
    settled_s: Sequence[tuple[int, int, float]]
    """Voters, nodes, and how long after power-on all of them heard each other and all addresses were held."""

    def curve(self, voters: int, kind: Kind) -> list[Cost]:
        """By the number of nodes."""
        return [cost for cost in self.costs if (cost.voters, cost.kind) == (voters, kind.value)]

    def ratio(self, cost: Cost, figure: Callable[[Cost], float]) -> float:
        """To the same kind in the smallest fleet that has as many voters and one of that kind."""
        return figure(cost) / figure(self.curve(cost.voters, Kind(cost.kind))[0])

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


def survey(
    machine: str,
    say: Callable[[str], None],
    nodes: Sequence[int] = NODES,
    voters: Sequence[int] = VOTERS,
    rounds: int = ROUNDS,
) -> Survey:
    """`say` is told of each fleet before it is switched on. No fleet has fewer nodes than voters."""
    costs: list[Cost] = []
    settled_s = []
    for few in voters:
        for size in (one for one in nodes if one >= few):
            say(f"{size} nodes, {few} voters")
            fleet = Fleet(size, few)
            settled_s.append((few, size, fleet.settle()))
            costs += surveyed(fleet, rounds)
    return Survey(machine, costs, settled_s)


def surveyed(fleet: Fleet, rounds: int = ROUNDS) -> list[Cost]:
    """Let it run in calm for so many rounds of heartbeats, and look at what each of them cost."""
    duration_ns = max(SHORTEST_NS, rounds * fleet.inventory.heartbeat_ns) // rounds
    fleet.spent()
    # What the collector does depends on all boards together, and an agent's own has next to nothing to do.
    gc.disable()
    try:
        spent = [one_round(fleet, duration_ns) for _ in range(rounds)]
    finally:
        gc.enable()
    kinds = {name: fleet.kind(name) for name in fleet.boards}
    present = [kind for kind in Kind if kind in kinds.values()]
    of_kind = {kind: [[one[name] for name in kinds if kinds[name] is kind] for one in spent] for kind in present}
    voters = len(fleet.inventory.configuration.voters)
    return [_cost(voters, len(kinds), kind, some, duration_ns / 1e9) for kind, some in of_kind.items()]


def one_round(fleet: Fleet, duration_ns: int) -> dict[str, Spent]:
    fleet.go_on(duration_ns)
    return fleet.spent()


def _cost(voters: int, nodes: int, kind: Kind, rounds: Sequence[Sequence[Spent]], round_s: float) -> Cost:
    """Of nodes of one kind. Whatever else runs on this machine only ever adds processor time: the calmest round is told."""

    def rate(figure: Callable[[Spent], int]) -> float:
        return statistics.mean(figure(one) for some in rounds for one in some) / round_s

    return Cost(
        voters,
        nodes,
        kind.value,
        wakes=rate(lambda one: one.wakes),
        heard=rate(lambda one: one.heard),
        heard_bytes=rate(lambda one: one.heard_bytes),
        sent=rate(lambda one: one.sent),
        sent_bytes=rate(lambda one: one.sent_bytes),
        cpu_us=min(statistics.mean(one.cpu_ns for one in some) for some in rounds) / round_s / 1e3,
        longest_us=min(statistics.median(one.longest_ns for one in some) for some in rounds) / 1e3,
    )
