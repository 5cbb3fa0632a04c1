"""A stack whose agents are dummies: the test decides who has the address, and what it is worth."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable

from picluster.adapters.links import Links
from picluster.adapters.namespaces import run_isolated
from picluster.lab.mode import memory_place
from picluster.lab.namespaces import NamespaceWorld
from picluster.lab.programs import start
from picluster.lab.stack import Stack
from picluster.lab.switch import Switch
from tests.adapters.isolation import reason_to_skip

WEB = "10.77.0.100/32"


class StandInWorld(NamespaceWorld):
    """Pis with a service and without an agent."""

    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        return start([sys.executable, "-c", "import signal; signal.pause()"], self.log(name), group=group)

    def give(self, name: str) -> None:
        """This Pi has the address from now on, and tells nobody."""
        with Links(self.machine(name)) as links:
            links.add_address("eth0", WEB)

    def until(self, condition: Callable[[], bool], most_s: float = 10.0) -> None:
        """Keep counting until it holds; fails the test where it does not."""
        deadline = time.monotonic() + most_s
        while not condition():
            assert time.monotonic() < deadline, "it did not come about in time"
            self.client.pump(0.02)

    def count(self, requests: int) -> None:
        """Go on until the client has sent so many more."""
        enough = self.client.ledger.sent + requests
        self.until(lambda: self.client.ledger.sent >= enough)

    def answering(self) -> str:
        return self.client.ledger.answering(time.monotonic_ns())


def stand_in_world() -> StandInWorld:
    """Three of them, under power. To be made in an isolated test."""
    world = StandInWorld(Stack(3), memory_place())
    for name in world.stack.names:
        world.plug(name)
    return world


@functools.cache
def filters_refused() -> str:
    """Why frames on a switch cannot be dropped here; empty where they can."""
    if reason_to_skip():
        return reason_to_skip()
    reading, writing = os.pipe()
    run_isolated(lambda: os.write(writing, Switch().refuses_filters().encode()) * 0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as words:
        return words.read()
