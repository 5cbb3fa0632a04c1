"""Who has been sighted, and where: turns sightings into hints for the link layer.

A hint is an address to which a sealed datagram may be sent on trial. Whoever answers there has to prove that it knows the
cluster's key; until then nothing has changed. So the worst that a forger on the network can do here is to cost a few
datagrams, and everything that it can fill has a bound: runs per node, hints per node, observers, strangers, other clusters.
What is full forgets its oldest entry.

Nobody is alive because it is in the roster, nor dead because it is not. A goodbye takes the hints of that run away; a run
that was not sighted for `FORGET_NS` is forgotten, since a machine that lost its power says no goodbye.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Role
from picluster.model.sighting import Sighting

FORGET_NS = 600 * 1_000_000_000
"""Nanoseconds. Living agents are sighted anew every two minutes or so: five times in a row may be missed."""
MOST_HINTS = 8
"""Endpoints that are tried for one node."""
MOST_RUNS = 4
"""Runs remembered of one node: the present one, a few before it that may have died without a goodbye, a twin."""
MOST_OBSERVERS = 8
MOST_STRANGERS = 8
MOST_CLUSTERS = 8

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of an agent: its latest sighting, and the places of its first and its latest one in the order of all."""

    sighting: Sighting
    first: int
    latest: int
    at_ns: int


class Roster:
    """The sightings of one cluster's nodes, as one node remembers them.

    `nodes` are the names in the inventory: sightings under other names are strangers, so that invented names cannot crowd
    out real ones. Time is CLOCK_BOOTTIME in nanoseconds and never goes back.
    """

    def __init__(self, cluster: str, own_node: str, nodes: Collection[str]) -> None:
        self._cluster = cluster
        self._own_node = own_node
        self._nodes = frozenset(nodes)
        self._runs: dict[str, dict[int, _Run]] = {}
        self._observers: dict[int, _Run] = {}
        self._strangers: dict[str, int] = {}
        self._clusters: dict[str, int] = {}
        self._count = 0

    def expect(self, nodes: Collection[str]) -> None:
        """The inventory was reloaded: these are its nodes now."""
        self._nodes = frozenset(nodes)
        self._runs = {node: runs for node, runs in self._runs.items() if node in self._nodes}

    def observe(self, sighting: Sighting, now_ns: int) -> None:
        """Take a sighting, or a goodbye, into account."""
        self._count += 1
        if sighting.cluster != self._cluster:
            self._note(self._clusters, sighting.cluster, sighting, now_ns, MOST_CLUSTERS)
        elif sighting.role is Role.OBSERVER:
            self._remember(self._observers, sighting, now_ns, MOST_OBSERVERS)
        elif sighting.node in self._nodes:
            self._remember(self._runs.setdefault(sighting.node, {}), sighting, now_ns, MOST_RUNS)
        else:
            self._note(self._strangers, sighting.node, sighting, now_ns, MOST_STRANGERS)

    def hints(self, node: str, now_ns: int) -> tuple[Endpoint, ...]:
        """Where a node may be: the endpoints of the run that was sighted last come first, at most eight in all."""
        endpoints = chain.from_iterable(run.sighting.endpoints for run in self._fresh(self._runs.get(node, {}), now_ns))
        return tuple(islice(dict.fromkeys(endpoints), MOST_HINTS))

    def observers(self, now_ns: int) -> tuple[Sighting, ...]:
        """The dashboards that want to be told, at most eight, the one sighted last first."""
        return tuple(run.sighting for run in self._fresh(self._observers, now_ns))

    def other_clusters(self, now_ns: int) -> tuple[str, ...]:
        """Names of other clusters that were sighted, in alphabetical order."""
        return tuple(sorted(name for name, at_ns in self._clusters.items() if now_ns - at_ns <= FORGET_NS))

    def strangers(self, now_ns: int) -> tuple[str, ...]:
        """Names sighted in our cluster that the inventory does not have, in alphabetical order."""
        return tuple(sorted(name for name, at_ns in self._strangers.items() if now_ns - at_ns <= FORGET_NS))

    def twins(self, now_ns: int) -> tuple[str, ...]:
        """Nodes under whose name two machines seem to run, in alphabetical order: a cloned card, most likely.

        A suspicion, no more: mDNS can be forged, and only sealed datagrams prove it. A restart is no twin: there the old
        run is never sighted again once the new one was. And of our own name there is no other run than ours, at all.
        """
        return tuple(sorted(node for node, runs in self._runs.items() if self._is_twin(node, runs, now_ns)))

    def _is_twin(self, node: str, runs: dict[int, _Run], now_ns: int) -> bool:
        fresh = sorted(self._fresh(runs, now_ns), key=lambda run: run.first)
        if node == self._own_node:
            return bool(fresh)
        latest = 0
        for run in fresh:
            if run.first < latest:
                return True
            latest = max(latest, run.latest)
        return False

    def _remember(self, runs: dict[int, _Run], sighting: Sighting, now_ns: int, most: int) -> None:
        known = runs.pop(sighting.incarnation, None)
        if not sighting.endpoints:
            return
        first = known.first if known is not None and now_ns - known.at_ns <= FORGET_NS else self._count
        runs[sighting.incarnation] = _Run(sighting, first, self._count, now_ns)
        _drop_oldest(runs, most)

    @staticmethod
    def _note(names: dict[str, int], name: str, sighting: Sighting, now_ns: int, most: int) -> None:
        names.pop(name, None)
        if sighting.endpoints:
            names[name] = now_ns
        _drop_oldest(names, most)

    @staticmethod
    def _fresh(runs: dict[int, _Run], now_ns: int) -> Iterable[_Run]:
        """The runs that are not forgotten, the one sighted last first."""
        return (run for run in reversed(runs.values()) if now_ns - run.at_ns <= FORGET_NS)


def _drop_oldest(entries: dict[Key, Value], most: int) -> None:
    """Dictionaries keep their order, and every entry is taken out and put in again when it is sighted anew."""
    while len(entries) > most:
        del entries[next(iter(entries))]
