"""One node of a fleet: a real agent whose ports are in memory, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from random import Random

from picluster.agent.configuration import AgentConfiguration
from picluster.agent.daemon import Agent, Logged, Ports
from picluster.agent.messenger import Identity
from picluster.model.endpoint import Endpoint
from picluster.model.events import Event
from picluster.model.inventory import FloatingAddress, IPAddress
from picluster.model.sighting import Sighting
from picluster.ports import EVERYTHING, Observation
from picluster.simulated.timeline import NEVER_NS, Timeline

__all__ = ["Board", "Spent"]

EARS, BEACON = 1, 2
"""Descriptors that stand for the agent's socket and for mDNS."""
UPTIME_NS = 3_600_000_000_000
"""The boards have been up for long: their voters need not wait for grants that they may have forgotten."""
WAKING_NS = 50_000
"""From the first datagram until the agent runs. What arrives meanwhile is taken in the same turn."""
LONGEST_WAIT_NS = 1_000_000_000
"""The agent's loop turns so often in any case (`picluster.agent.loop`)."""

Send = Callable[[str, Endpoint, bytes], None]


@dataclass(slots=True)
class Spent:
    """By one node, since the last look."""

    wakes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    heard: int = 0
    heard_bytes: int = 0
    cpu_ns: int = 0
    longest_ns: int = 0
    """Processor time of the longest turn: so long may a renewal have to wait."""


class Board:
    """Plugged in with `start`; it then turns by itself as time goes on."""

    def __init__(self, settings: AgentConfiguration, timeline: Timeline, send: Send, chance: Random) -> None:
        self.name = settings.node.name
        self.spent = Spent()
        self.agent: Agent | None = None
        self._settings = settings
        self._timeline = timeline
        self._chance = chance
        self._wire = Wire(self, send)
        self._turn_ns = NEVER_NS

    def start(self) -> None:
        clock = VirtualClock(self._timeline)
        ports = Ports(clock, self._wire, NoBeacon(), NoKernel(), Memory(clock))
        identity = Identity(self.name, self._settings.node.role, self._chance.getrandbits(64))
        self.agent = Agent(self._settings, ports, identity, self._chance, _undated)
        self.agent.start()
        self._turn()

    def arrived(self, source: Endpoint, data: bytes) -> None:
        """Lost where nobody listens yet."""
        if self.agent is not None:
            self.spent.heard += 1
            self.spent.heard_bytes += len(data)
            self._wire.waiting.append((source, data))
            self._turn_at(min(self._turn_ns, self._timeline.now_ns + WAKING_NS))

    def _turn_at(self, true_ns: int) -> None:
        if true_ns != self._turn_ns:
            self._turn_ns = true_ns
            self._timeline.at(true_ns, self._turn_if_due, true_ns)

    def _turn_if_due(self, true_ns: int) -> None:
        if true_ns == self._turn_ns:
            self._turn()

    def _turn(self) -> None:
        assert self.agent is not None
        began_ns = time.process_time_ns()
        self.agent.turn((EARS,) if self._wire.waiting else ())
        took_ns = time.process_time_ns() - began_ns
        self.spent.wakes += 1
        self.spent.cpu_ns += took_ns
        self.spent.longest_ns = max(self.spent.longest_ns, took_ns)
        now_ns, self._turn_ns = self._timeline.now_ns, NEVER_NS
        self._turn_at(min(max(self.agent.deadline_ns - UPTIME_NS, now_ns), now_ns + LONGEST_WAIT_NS))


class VirtualClock:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def now_ns(self) -> int:
        return UPTIME_NS + self._timeline.now_ns


class Wire:
    def __init__(self, board: Board, send: Send) -> None:
        self.port = 0
        self.waiting: list[tuple[Endpoint, bytes]] = []
        self._board = board
        self._send = send

    def filenos(self) -> tuple[int, ...]:
        return (EARS,)

    def send(self, to: Endpoint, data: bytes) -> None:
        self._board.spent.sent += 1
        self._board.spent.sent_bytes += len(data)
        self._send(self._board.name, to, data)

    def receive(self, _readable: Collection[int] = EVERYTHING, /) -> list[tuple[Endpoint, bytes]]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def close(self) -> None:
        """There is nothing to close."""


class NoBeacon:
    """The inventory says where everybody is."""

    def fileno(self) -> int:
        return BEACON

    def sightings(self) -> list[Sighting]:
        return []

    def close(self) -> None:
        """There is nobody to say goodbye to."""


class NoKernel:
    """Takes every address and keeps none."""

    def not_covered(self) -> tuple[str, ...]:
        return ()

    def incapable(self) -> str:
        return ""

    def clean_slate(self, addresses: Iterable[FloatingAddress]) -> None: ...

    def hold(self, floating: FloatingAddress, until_ns: int) -> bool:  # noqa: ARG002  nothing is held
        return True

    def let_go(self, floating: FloatingAddress) -> None: ...

    def forget(self, floating: FloatingAddress) -> None: ...

    def announce(self, floating: FloatingAddress) -> None: ...

    def probe(self, floating: FloatingAddress) -> None: ...

    def ask_gateway(self, gateway: IPAddress, interface: str, number: int) -> None: ...

    def filenos(self) -> tuple[int, ...]:
        return ()

    def observations(self, _readable: Collection[int] = EVERYTHING, /) -> list[Observation]:
        return []

    def close(self) -> None: ...


class Memory:
    """The boot record, for as long as the process lives."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._longest_us: int | None = None

    def longest_term_us(self) -> int | None:
        return self._longest_us

    def remember_term(self, term_us: int) -> None:
        self._longest_us = max(term_us, self._longest_us or 0)

    def uptime_ns(self) -> int:
        return self._clock.now_ns()


def _undated(event: Event) -> Logged:
    return Logged("", event)
