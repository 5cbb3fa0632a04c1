"""A stack whose agents are dummies: the test decides who has the address, and what it is worth."""

from __future__ import annotations

import functools
import os
import select
import socket
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
from picluster.lab.world import World
from tests import patience
from tests.adapters.isolation import reason_to_skip

WEB = "10.77.0.100/32"
DISCARD = 9
MOMENT_S = 0.15


class StandInWorld(NamespaceWorld):
    """Pis with a service and without an agent."""

    def _start_agent(self, name: str, group: int = 0) -> subprocess.Popen[bytes]:
        return start([sys.executable, "-c", "import signal; signal.pause()"], self.log(name), group=group)

    def give(self, name: str) -> None:
        """This Pi has the address from now on, and tells nobody."""
        with Links(self.machine(name)) as links:
            links.add_address("eth0", WEB)

    def until(self, condition: Callable[[], bool]) -> None:
        until(self, condition)

    def count(self, requests: int) -> None:
        """Go on until the client has sent so many from now on, and has waited for their answers."""
        now_ns = time.monotonic_ns()
        self.until(lambda: self.client.ledger.within(now_ns, time.monotonic_ns()).requests >= requests)

    def answering(self) -> str:
        return self.client.ledger.answering(time.monotonic_ns())


def until(world: World, condition: Callable[[], bool]) -> None:
    """Keep counting until it holds; fails the test where it does not."""
    patience.until(
        condition,
        lambda: f"it came about; the logs: {[log.read_text() for log in world.logs]}",
        meanwhile=lambda: world.client.pump(0.02),
    )


def stand_in_world() -> StandInWorld:
    """Three of them, under power. To be made in an isolated test."""
    world = StandInWorld(Stack(3), memory_place())
    for name in world.stack.names:
        world.plug(name)
    return world


def arrived(
    world: StandInWorld, sender: str, receiver: str, count: int, *, expected: int | None = None, port: int = DISCARD
) -> int:
    """How many of so many datagrams come through. The expected ones, which are all of them unless it is said otherwise, are
    waited for with patience; then, a moment for those that should not come."""
    host = f"10.77.0.1{receiver[-1]}"
    with world.machine(receiver).entered():
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with world.machine(sender).entered():
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear, mouth:
        ear.bind((host, port))
        for number in range(count):
            mouth.sendto(number.to_bytes(2, "big"), (host, port))
        expected, heard = count if expected is None else expected, 0
        while select.select([ear], [], [], patience.PATIENCE_S if heard < expected else MOMENT_S)[0]:
            ear.recv(8)
            heard += 1
        return heard


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
