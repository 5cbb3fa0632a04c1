"""Unreliable datagrams between simulated nodes: lost, delayed, repeated, overtaken, or cut off in one direction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network behaves for the time being. Delays in nanoseconds, the rest as probabilities."""

    shortest_ns: int
    """No datagram is faster."""
    spread_ns: int
    """How much longer it may take in the usual case."""
    loss: float = 0.0
    repeat: float = 0.0
    late: float = 0.0
    """How often a datagram gets stuck somewhere, and arrives after all."""
    latest_ns: int = 0
    """How long such a one may be stuck."""

    @property
    def calm(self) -> Weather:
        """The same network without faults."""
        return replace(self, loss=0.0, repeat=0.0, late=0.0)

    @property
    def round_trip_ns(self) -> int:
        """The longest, in calm."""
        return 2 * (self.shortest_ns + self.spread_ns)


class Network:
    """Who reaches whom, and how long it takes."""

    def __init__(self, chance: Random, weather: Weather) -> None:
        self.weather = weather
        self._chance = chance
        self._cuts: dict[tuple[str, str], int] = {}

    def cut(self, links: Iterable[tuple[str, str]]) -> None:
        """Cut these directed links. Cuts of several faults add up: a link works again when all of them are mended."""
        for link in links:
            self._cuts[link] = self._cuts.get(link, 0) + 1

    def mend(self, links: Iterable[tuple[str, str]]) -> None:
        for link in links:
            self._cuts[link] = max(0, self._cuts.get(link, 0) - 1)

    def mend_all(self) -> None:
        self._cuts.clear()

    def journeys(self, sender: str, receiver: str) -> tuple[int, ...]:
        """How long each copy of one datagram takes (ns); empty if none arrives."""
        if self._cuts.get((sender, receiver)):
            return ()
        weather, random = self.weather, self._chance.random
        if weather.loss and random() < weather.loss:
            return ()
        once = weather.shortest_ns + int(random() * weather.spread_ns)
        if weather.late and random() < weather.late:
            once += int(random() * weather.latest_ns)
        if weather.repeat and random() < weather.repeat:
            return once, once + int(random() * (weather.latest_ns or weather.spread_ns))
        return (once,)
