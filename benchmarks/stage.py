"""A system on virtual Pis, and what the client and the auditor see of it. No daemon is ever asked anything.

A scenario may find the address dark for long, or answered by two: that is what is to be measured, and no reason to give up.
So whatever is waited for here is waited for so long and no longer, and what was seen until then counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

from benchmarks.systems.machines import Machines
from picluster.errors import LabError
from picluster.lab.programs import ClientFeed, kill

__all__ = ["SECOND_CLIENT", "Seen", "Stage", "changes"]

START_S = 60.0
PATIENCE_S = 30.0
"""An outage that lasts longer counts as one of this length."""
SETTLED_S = 0.3
"""How long it is watched after the address is answered again."""
STEP_S = 0.02
SECOND_CLIENT = "client2"
SECOND_ADDRESS, SECOND_MAC = "10.77.0.4/24", "02:00:00:00:00:04"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came after a deed."""

    outage_ms: float
    """The longest time without answers."""
    double_ms: float
    """In how many milliseconds two nodes answered."""
    moves: int
    """How often another node answered than before."""


class Stage:
    """A system under power, from the moment when all its nodes take part."""

    def __init__(self, machines: Machines, calm_s: float) -> None:
        self.machines = machines
        self.calm_s = calm_s
        self._clients: list[ClientFeed] = [machines.client]

    def open(self) -> None:
        """Plug all Pis in. Raises LabError where nobody answers."""
        for name in self.machines.stack.names:
            self.machines.plug(name)
        if not self.until(lambda: bool(self.holder), START_S):
            raise LabError(f"nobody answers for the address within {START_S:.0f} s. The logs say why")
        self.go_on(self.calm_s)

    @property
    def holder(self) -> str:
        """Who answers the client now; empty: nobody."""
        return self.machines.client.ledger.answering(time.monotonic_ns())

    def known_holder(self) -> str:
        """Who answers, waited for. Raises LabError where nobody does for long."""
        known = ""

        def answered() -> bool:
            nonlocal known
            known = self.holder
            return bool(known)

        if not self.until(answered, PATIENCE_S):
            raise LabError(f"nobody answers for {PATIENCE_S:.0f} s, though nothing is done to the stack. The logs say why")
        return known

    def move(self, held: str, deed: Callable[[str], object]) -> Seen:
        """Do something to the holder after which another node has to answer, and watch until it does."""
        watch = Watch(self, held)
        deed(held)
        self.until(lambda: self.holder not in ("", held), PATIENCE_S)
        self.go_on(SETTLED_S)
        return watch.seen()

    def watch(self) -> Watch:
        """From now on, whoever answers."""
        return Watch(self, self.holder)

    def second_client(self) -> SecondClient:
        """One more ordinary client, until the end of the block."""
        feed = self.machines.join_client(SECOND_CLIENT, SECOND_MAC, [SECOND_ADDRESS])
        self._clients.append(feed)
        return SecondClient(self, feed)

    def dismiss(self, feed: ClientFeed) -> None:
        self._clients.remove(feed)
        kill([feed.process])
        self.machines.leave(SECOND_CLIENT)

    def go_on(self, seconds: float) -> None:
        """Let time pass, and go on reading what the clients write."""
        self.until(lambda: False, seconds)

    def until(self, over: Callable[[], bool], most_s: float) -> bool:
        """False where it took too long."""
        deadline = time.monotonic() + most_s
        while not over():
            if time.monotonic() > deadline:
                return False
            for client in self._clients:
                client.pump(STEP_S if client is self.machines.client else 0.0)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.machines.close()


class Watch:
    """What the client and the auditor see from a moment on."""

    def __init__(self, stage: Stage, held: str) -> None:
        self._ledger = stage.machines.client.ledger
        self._held = held
        self._since_ns = time.monotonic_ns()
        self._double_ms = self._ledger.double_ms

    def seen(self) -> Seen:
        outage = self._ledger.within(self._since_ns, time.monotonic_ns())
        path = [name for name in (self._held, *self._ledger.answerers(self._since_ns)) if name]
        return Seen(outage.outage_ms, self._ledger.double_ms - self._double_ms, changes(path))


class SecondClient:
    """An ordinary client beside the one that judges."""

    def __init__(self, stage: Stage, feed: ClientFeed) -> None:
        self._stage = stage
        self._feed = feed

    @property
    def answering(self) -> str:
        return self._feed.ledger.answering(time.monotonic_ns())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stage.dismiss(self._feed)


def changes(path: Sequence[str]) -> int:
    """How often the next is another than the one before."""
    return sum(one != other for one, other in pairwise(path))
