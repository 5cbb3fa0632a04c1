"""Power cuts, one after the other: how long is the address dark for a client that asks 1,000 times a second?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from picluster.errors import LabError
from picluster.lab.world import World

START_S = 20.0
TAKEOVER_S = 15.0
WATCHED_S = 1.1
CALM_S = 2.0
"""After a Pi is plugged in again, until the next cut: long enough for every agent to have joined."""


@dataclass(frozen=True, slots=True)
class Outages:
    """What the client saw of one subject's power cuts, in milliseconds."""

    subject: str
    outages_ms: tuple[float, ...]
    double_ms: float

    @property
    def median_ms(self) -> float:
        return statistics.median(self.outages_ms)

    @property
    def worst_ms(self) -> float:
        return max(self.outages_ms)


def measure(subject: str, world: World, cuts: int, progress: Callable[[str], None]) -> Outages:
    """Cut the holder's power so many times. Raises LabError where nobody takes over."""
    for name in world.stack.names:
        world.plug(name)
    _wait(world, lambda: bool(_holder(world)), START_S, f"{subject}: nobody answers at the start")
    _pass(world, CALM_S)
    outages = []
    for number in range(1, cuts + 1):
        progress(f"{subject}: cut {number} of {cuts}")
        outages.append(_cut(subject, world))
    return Outages(subject, tuple(outages), world.client.ledger.double_ms)


def _cut(subject: str, world: World) -> float:
    held, began_ns = _holder(world), time.monotonic_ns()
    world.cut(held)
    _pass(world, WATCHED_S)

    def over() -> bool:
        outage = world.client.ledger.aftermath(began_ns, time.monotonic_ns())
        return outage.over and outage.after not in ("", held)

    _wait(world, over, TAKEOVER_S, f"{subject}: nobody took over from {held}")
    outage_ms = world.client.ledger.aftermath(began_ns, time.monotonic_ns()).outage_ms
    world.plug(held)
    _pass(world, CALM_S)
    return outage_ms


def _holder(world: World) -> str:
    return world.client.ledger.answering(time.monotonic_ns())


def _pass(world: World, duration_s: float) -> None:
    """Let time pass, and go on reading what the client writes."""
    deadline = time.monotonic() + duration_s
    while time.monotonic() < deadline:
        world.client.pump(0.05)


def _wait(world: World, over: Callable[[], bool], most_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + most_s
    while not over():
        if time.monotonic() > deadline:
            raise LabError(otherwise)
        world.client.pump(0.02)
