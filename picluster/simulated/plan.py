"""What kind of cluster a seed gets: nodes, voters, addresses, timing, network, and which faults it will suffer.

Not every fault in every world: each seed draws a handful of kinds with weights of their own ("swarm testing", Groce et
al., ISSTA 2012), since a cluster that is hit by everything at once hardly ever gets as far as the rarer states.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from picluster.model.inventory import Candidate, Configuration, FloatingAddress
from picluster.model.timing import NANOSECONDS_PER_MS, Timing
from picluster.simulated.network import Weather

WITNESS = "box"
KINDS = (
    "pause",
    "crash",
    "power cut",
    "one-way cut",
    "link cut",
    "partial partition",
    "partition",
    "flapping",
    "loss",
    "delay",
    "standby",
    "move",
    "unfit",
    "restart",
    "foreign machine",
    "kernel refuses",
    "stuck gate",
    "voters",
    "lease",
    "wild voters",
)
"""The kinds of faults; `picluster.simulated.faults` does them."""
LONG = ("power cut", "foreign machine", "kernel refuses")
"""Faults after which little happens for seconds, so they are rarer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is fixed when a world begins."""

    nodes: tuple[str, ...]
    configuration: Configuration
    weather: Weather
    faults: Mapping[str, float]
    """Weights by kind; a kind that is not named does not happen."""
    fault_every_ns: int
    """The mean time between two faults."""
    terms_of_faults: int
    """How many lease terms of faults, and then of calm, there are."""
    terms_of_calm: int
    quiet_start: bool
    """Whether everybody starts at once and unharmed, so that the addresses have to be spread evenly."""
    sluggishness: float
    """How often a process takes its time between two effects."""


def draw_plan(chance: Random, only: frozenset[str] | None = None) -> Plan:
    """A plan for one world. `only` restricts the kinds of faults, for a closer look at some of them."""
    nodes, voters = _draw_nodes(chance)
    timing = draw_timing(chance)
    configuration = Configuration(1, voters, _draw_addresses(chance, nodes), timing)
    kinds = [kind for kind in KINDS if only is None or kind in only]
    chosen = chance.sample(kinds, min(len(kinds), chance.randint(3, 9)))
    return Plan(
        nodes=nodes,
        configuration=configuration,
        weather=_draw_weather(chance, timing),
        faults={kind: chance.uniform(0.2, 1.0) * (0.3 if kind in LONG else 1) for kind in chosen},
        fault_every_ns=int(timing.lease_ns * chance.choice((0.3, 0.6, 1.0, 1.5))),
        terms_of_faults=chance.randint(20, 50),
        terms_of_calm=8,
        quiet_start=chance.random() < 0.3,
        sluggishness=chance.choice((0.0, 0.02, 0.1, 0.3)),
    )


def draw_timing(chance: Random) -> Timing:
    """Lease terms from 30 ms to 2 s, evenly on a logarithmic scale, and the other timers within what an inventory allows."""
    lease_ms = round(math.exp(chance.uniform(math.log(30), math.log(2_000))))
    renewal_ms = max(2, lease_ms * 2 // chance.randint(5, 14))
    return Timing(
        lease_ms=lease_ms,
        renewal_ms=renewal_ms,
        retry_ms=max(1, renewal_ms // chance.randint(2, 4)),
        heartbeat_ms=max(5, int(lease_ms * chance.uniform(0.4, 1.5))),
        rank_step_ms=max(1, lease_ms // chance.randint(8, 30)),
        settle_ms=lease_ms * chance.randint(2, 5),
        probe_ms=max(3, lease_ms // chance.randint(1, 6)),
    )


def _draw_nodes(chance: Random) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All nodes, and those of them that vote."""
    voters = chance.choice((3, 3, 3, 3, 3, 4, 5, 5, 7))
    names = [f"pi{number + 1}" for number in range(voters)]
    if chance.random() < 0.3:
        names[-1] = WITNESS
    others = [f"pi{voters + number + 1}" for number in range(chance.choice((0, 0, 1, 1, 2)))]
    return (*names, *others), tuple(names)


def _draw_addresses(chance: Random, nodes: tuple[str, ...]) -> tuple[FloatingAddress, ...]:
    able = [node for node in nodes if node != WITNESS]
    equals = chance.random() < 0.5
    addresses = []
    for number in range(chance.choice((1, 1, 2, 2, 3))):
        names = able if equals else chance.sample(able, chance.randint(2, len(able)))
        candidates = tuple(Candidate(name, 100 if equals else chance.choice((50, 100, 100, 200))) for name in names)
        failback = not equals and chance.random() < 0.4
        ip = ipaddress.ip_address(f"192.0.2.{100 + number}")
        addresses.append(FloatingAddress(("web", "dns", "mail")[number], ip, "eth0", candidates, failback))
    return tuple(addresses)


def _draw_weather(chance: Random, timing: Timing) -> Weather:
    """Fast enough in calm that a round trip is shorter than a retry and two are shorter than a step of rank."""
    longest_ns = min(timing.retry_ms, timing.rank_step_ms / 2) * NANOSECONDS_PER_MS / 2.2
    shortest_ns = int(longest_ns * chance.choice((0.002, 0.01, 0.05, 0.3)))
    spread_ns = int((longest_ns - shortest_ns) * chance.choice((0.01, 0.1, 1.0)))
    return Weather(
        shortest_ns=shortest_ns,
        spread_ns=spread_ns,
        loss=chance.choice((0.0, 0.0, 0.02, 0.1)),
        repeat=chance.choice((0.0, 0.02, 0.1)),
        late=chance.choice((0.0, 0.0, 0.02, 0.1)),
        latest_ns=int(timing.lease_ns * chance.choice((0.5, 1.5, 4.0))),
    )


def retime(chance: Random, configuration: Configuration) -> Configuration:
    """The same configuration with other timers; the network stays, so retries and steps of rank do too."""
    drawn, kept = draw_timing(chance), configuration.timing
    lease_ms = min(2_000, max(kept.lease_ms // 4, -(-kept.renewal_ms * 5 // 2), min(drawn.lease_ms, kept.lease_ms * 4)))
    return replace(configuration, timing=replace(kept, lease_ms=lease_ms))
