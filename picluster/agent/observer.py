"""An observer: joins the cluster, holds nothing, votes for nothing, and hears what everybody hears.

The dashboard is one. It announces itself by mDNS, so that the agents send it the same heartbeats as each other, and answers
with heartbeats of its own, so that they can tell that it is still there.
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from random import Random

from picluster import __version__
from picluster.agent.daemon import testimonies_of
from picluster.agent.messenger import Identity, Messenger
from picluster.agent.narration import Narrator
from picluster.agent.overview import take_snapshot
from picluster.agent.remarks import Remarks
from picluster.agent.succession import Succession
from picluster.model.events import Severity
from picluster.model.inventory import Inventory, Role
from picluster.model.messages import Heartbeat
from picluster.model.snapshot import ClusterSnapshot, EventView
from picluster.ports import Beacon, Clock, Datagrams
from picluster.wire import Keyring

EVENTS_KEPT = 100
PICTURE_S = 0.1
"""How often a feed takes a new picture."""
ARRIVAL_NS = 3_000_000_000
"""How long a newly joined observer takes what it sees for the state of things, and not for news."""


@dataclass(frozen=True, slots=True)
class ObserverPorts:
    """An observer's outside: an agent's, without anything to hold an address with."""

    clock: Clock
    datagrams: Datagrams
    beacon: Beacon


class Observer:
    """Hears the cluster. Call `turn` whenever a descriptor of `filenos` is readable or `wait_s` has passed."""

    def __init__(
        self, identity: Identity, inventory: Inventory, keyring: Keyring, ports: ObserverPorts, chance: Random
    ) -> None:
        self._inventory = inventory
        self._clock, self._datagrams, self._beacon = ports.clock, ports.datagrams, ports.beacon
        self.messenger = Messenger(identity, inventory, keyring, ports.datagrams, chance)
        self._started_ns = self._clock.now_ns()
        self._due_ns = self._started_ns
        self._succession = Succession()
        self._narrator = Narrator()
        self._events: deque[EventView] = deque(maxlen=EVENTS_KEPT)
        self._said: deque[str] = deque(maxlen=EVENTS_KEPT)
        self._remarks = Remarks(self._said.append)

    def filenos(self) -> tuple[int, ...]:
        return (*self._datagrams.filenos(), self._beacon.fileno())

    @property
    def wait_s(self) -> float:
        """Until the next turn is due, in seconds."""
        return max(self._due_ns - self._clock.now_ns(), 0) / 1e9

    def turn(self) -> None:
        """Hear what has arrived, and say that this observer is still there."""
        now_ns = self._clock.now_ns()
        for _ in self.messenger.receive(now_ns):
            pass  # heartbeats are kept by the links; nothing else is addressed to an observer
        self.messenger.sighted(now_ns, self._beacon.sightings())
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + self._inventory.heartbeat_ns
            self._beat(now_ns)

    def run_for(self, duration_s: float) -> None:
        """Turn for so many seconds."""
        until = time.monotonic() + duration_s
        while (left_s := until - time.monotonic()) > 0:
            select.select(self.filenos(), [], [], min(self.wait_s, left_s))
            self.turn()

    def snapshot(self) -> ClusterSnapshot:
        """What the cluster looks like now, with what has happened since this observer joined."""
        now_ns = self._clock.now_ns()
        wall_s = time.time()  # read once: the tenths belong to these seconds
        clock = time.strftime("%H:%M:%S", time.localtime(wall_s))
        testimonies = self._succession.valid(testimonies_of(self.messenger, now_ns), now_ns)
        seen = take_snapshot(self._inventory, testimonies, self.messenger.silent_ns, clock)
        arriving = now_ns - self._started_ns < ARRIVAL_NS
        remarks = [(Severity.WARNING, self._said.popleft()) for _ in range(len(self._said))]
        for severity, text in (*remarks, *self._narrator.compare(seen, arriving=arriving)):
            self._events.append(EventView(f"{clock}.{int(wall_s * 10) % 10}", severity, text))
        return replace(seen, events=tuple(self._events), notices=tuple(self.messenger.notices(now_ns)))

    def close(self) -> None:
        self._beat(self._clock.now_ns(), leaving=True)
        self._beacon.close()
        self._datagrams.close()
        self._remarks.close()

    def _beat(self, now_ns: int, *, leaving: bool = False) -> None:
        uptime_us = (now_ns - self._started_ns) // 1_000
        epoch = self._inventory.configuration.epoch
        heartbeat = Heartbeat(Role.OBSERVER, epoch, False, False, leaving, uptime_us, __version__, challenge=0)
        self.messenger.beat(now_ns, heartbeat, self.messenger.links)


class Feed:
    """An observer at work in a thread of its own, for whoever has other things to do and only wants the latest picture."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._latest = observer.snapshot()
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def latest(self) -> ClusterSnapshot:
        """At most `PICTURE_S` old. Raises what ended the observer: a picture that stands still looks like a calm cluster."""
        if self._failure is not None:
            raise self._failure
        return self._latest

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._observer.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._observer.run_for(PICTURE_S)
                self._latest = self._observer.snapshot()
        except Exception as error:  # it belongs to whoever looks, in another thread
            self._failure = error
