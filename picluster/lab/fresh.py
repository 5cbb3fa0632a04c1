"""A world of Pis with fresh cards: they boot, people get in over SSH, and nothing of picluster is there yet.

    with world.controller.entered():     # a process that is started here is one of the controller's
        subprocess.run(["picluster", "up", "lab"])

Each Pi has a card of its own, `picluster.lab.card`, in as much memory as it may take; so a card can be full, and another one
be put in. The name of a Pi here, `pi1`, is written on its case: what it calls itself is the card's affair.

The client that counts answers is silent until somebody wants to count: before there is a floating address it would have
nobody to ask, and only take time from whatever is measured.

What belongs to the kernel is this machine's: clocks cannot be wrong here, and nobody gets at /proc/sysrq-trigger. But
`reboot --force --force` ends a Pi on the spot, as the key `b` would.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from picluster.adapters.namespaces import NetworkNamespace, limit_memory, mount_memory
from picluster.errors import LabError
from picluster.lab import root_system
from picluster.lab.card import REPOSITORY, WITNESS_MAC, Card, write_card, write_shared
from picluster.lab.machine import Machine
from picluster.lab.machines import CONTROLLER, MachineWorld, run_world
from picluster.lab.programs import kill, started
from picluster.lab.stack import SERVICE_PORT, Stack

__all__ = ["FreshWorld", "run_fresh"]

BOOTING_S = 30.0
SSH_S = 0.5
STEP_S = 0.02
SSH_PORT = 22
CARD_BYTES = 8 << 30


class FreshWorld(MachineWorld):
    description = "booted Debians as fresh as a card from Raspberry Pi OS (systemd-nspawn), on one switch"

    def __init__(self, stack: Stack, directory: Path, root: Path, cards: Mapping[str, Card]) -> None:
        """`cards` by name; whoever has none there gets an ordinary one. `root`: see `MachineWorld`."""
        self._cards = {name: cards.get(name, Card()) for name in stack.names}
        self._homes: dict[str, Path] = {}
        """Where the card is that is in a Pi now."""
        super().__init__(stack, directory, root)
        self._shop = started(
            "picluster.lab.packages",
            [str(root_system.served_packages()), *map(str, REPOSITORY)],
            directory / "packages.log",
        )
        self.count(going=False)

    @property
    def controller(self) -> NetworkNamespace:
        return self.machine(CONTROLLER)

    def card(self, name: str) -> Card:
        return self._cards[name]

    def address(self, name: str) -> str:
        """A Pi's IPv4 address, without its prefix."""
        return self.stack.pi(name).addresses[0].partition("/")[0]

    def state(self, name: str) -> str:
        """As anywhere; `fresh` where no agent answers and people get in; `named otherwise` where it is a node by another
        name than the one on its case."""
        try:
            return super().state(name)
        except KeyError:
            return "named otherwise"

    def count(self, *, going: bool) -> None:
        """From now on the client asks the floating address, or is silent."""
        self.client.process.send_signal(signal.SIGCONT if going else signal.SIGSTOP)

    def flash(self, name: str, card: Card | None = None) -> None:
        """Put another card into a Pi, an equal one where none is named: whatever was on the old one is gone. It has no power
        afterwards."""
        if name in self.powered:
            self.cut(name)
        if name in self._pis:
            self._pis.pop(name).close()
        self._cards[name] = card or self._cards[name]

    def boot_all(self) -> float:
        """Plug in whoever has no power, and wait until all can be reached over SSH; returns how long that took, in s."""
        began = time.monotonic()
        for name in self.stack.names:
            if name not in self.powered:
                self.plug(name)
        for name in self.stack.names:
            self.until_reached(name)
        return time.monotonic() - began

    def until_reached(self, name: str) -> None:
        """Raises LabError where it does not happen."""
        deadline = time.monotonic() + BOOTING_S
        while not self.is_reached(name):
            if time.monotonic() > deadline or self.crashed():
                raise LabError(f"{name} cannot be reached over SSH within {BOOTING_S:.0f} s. Its log says why")
            self.tend()
            time.sleep(STEP_S)

    def is_reached(self, name: str) -> bool:
        """Whether the controller hears its SSH server's first words."""
        with self.controller.entered():
            try:
                with socket.create_connection((self.address(name), SSH_PORT), SSH_S) as asked:
                    return asked.recv(4) == b"SSH-"
            except OSError:
                return False

    def fill(self, name: str, left_bytes: int) -> None:
        """Its card is full but for this much."""
        home = self._homes[name]
        told = os.statvfs(home)
        limit_memory(home, (told.f_blocks - told.f_bfree) * told.f_frsize + left_bytes)

    def empty(self, name: str) -> None:
        """There is room again."""
        limit_memory(self._homes[name], CARD_BYTES)

    @property
    def layers(self) -> tuple[Path, ...]:
        """What all cards share, the topmost first."""
        return self._shared, self._root

    def written(self, name: str) -> Path:
        """The directory with all that is different on a Pi's card from what all cards share."""
        return self._homes[name] / "disk"

    def close(self) -> None:
        super().close()
        kill([self._shop])

    def _write_shared(self) -> None:
        write_shared(self._shared)

    def _without_agent(self, name: str) -> str:
        return "fresh" if self.is_reached(name) else ""

    def _is_managed(self, name: str) -> bool:
        return self._cards[name].network_manager

    def _mac(self, name: str) -> str:
        pi = self.stack.pi(name)
        return pi.mac if self._cards[name].raspberry else f"{WITNESS_MAC}{pi.number:02x}"

    def _installed(self, name: str) -> Machine:
        # An old card keeps its place: the kernel may not be done with it.
        number = sum(1 for _ in self.directory.glob(f"{name}-card-*"))
        home = self.directory / f"{name}-card-{number}"
        home.mkdir()
        mount_memory(home)
        limit_memory(home, CARD_BYTES)
        self._homes[name] = home
        machine = self._assembled(name, home)
        write_card(
            machine.root,
            self._cards[name],
            name=name,
            port=SERVICE_PORT,
            floating=self.stack.floating.values(),
            addresses=self.stack.pi(name).addresses,
        )
        return machine


def run_fresh(
    stack: Stack, body: Callable[[FreshWorld], int], tell: Callable[[str], None], cards: Mapping[str, Card] | None = None
) -> int:
    """As `picluster.lab.machines.run_machines`."""
    return run_world(lambda place, root: FreshWorld(stack, place, root, cards or {}), body, tell)
