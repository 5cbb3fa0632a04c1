"""The portable world: plain processes on 127.0.0.1, for machines without network namespaces (macOS, locked-down Linux).

A floating address is a UDP port here that only its holder binds, and the holder's agent answers on it. The agents, mDNS and
the rules are the real ones. The network between the Pis is a relay (`picluster.lab.relay`), which all their datagrams pass.
The client asks the port directly, so it reaches whoever holds it on either side of a partition. What the kernel does for a
Pi is missing; `remarks` says what therefore comes out differently.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from picluster.errors import LabError
from picluster.lab.leash import Leash
from picluster.lab.programs import ClientFeed, kill, start, started
from picluster.lab.stack import Stack, write_files
from picluster.lab.world import CLIENT, Fault, World

__all__ = ["LoopbackWorld"]

HOST = "127.0.0.1"
RELAY = "relay"
RELAY_DEAD = "the relay between the Pis has died, so nothing can be cut or lost. Start the demo again"


class LoopbackWorld(World):
    description = "plain processes on 127.0.0.1; their floating address is a port that only the holder binds"
    observer_hosts = (HOST,)
    remarks: Mapping[Fault, str] = {
        Fault.PARTITION: "the client stays on the holder's side here, and is answered until the lease ends; "
        "cut off as well, it would miss the whole lease (--mode namespaces)",
        Fault.FREEZE: "a frozen process keeps its port until it thaws, so the freeze sets the outage here; "
        "a kernel that rents the address out ends it sooner (--mode namespaces)",
    }

    def __init__(self, stack: Stack) -> None:
        self._leash = Leash()
        # All labs of this machine share one loopback interface, and hear each other's mDNS there.
        super().__init__(replace(stack, cluster=f"lab-{self._leash.group}"), self._leash.directory)
        self.switch, *ports = free_ports(1 + stack.size + len(stack.floating))
        floating = dict(zip(stack.floating, ports, strict=False))
        named = ", ".join(f"{name} = {port}" for name, port in floating.items())
        lines = f'mode = "loopback"\nhosts = ["{HOST}"]\n[loopback]\nports = {{ {named} }}\nswitch = {self.switch}'
        self._ports = dict(zip(stack.names, ports[len(floating) :], strict=True))
        write_files(self.stack, self.directory, self._ports, dict.fromkeys(stack.names, lines))
        numbers = map(str, (self.switch, *self._ports.values()))
        self._relay = started("picluster.lab.relay", numbers, self.log(RELAY), group=self._leash.group, writing=True)
        command = [sys.executable, "-m", "picluster.lab.client", HOST, str(floating["web"]), "--nodes", *stack.names]
        client = start(command, self.log(CLIENT), group=self._leash.group, reading=True)
        self.client = ClientFeed(client, stack.names)

    @property
    def logs(self) -> tuple[Path, ...]:
        return (*super().logs, self.log(RELAY))

    def close(self) -> None:
        super().close()
        kill([self._relay])
        self._leash.close()

    def _boot(self, name: str) -> list[subprocess.Popen[bytes]]:
        return [self._start_agent(name, self._leash.group)]

    def _restart_agent(self, name: str) -> subprocess.Popen[bytes]:
        return self._start_agent(name, self._leash.group)

    def _cut(self, _name: str, programs: list[subprocess.Popen[bytes]]) -> None:
        kill(programs)

    def _part(self, names: Collection[str]) -> None:
        self._order("part", *(self._ports[name] for name in names))

    def _lose(self, percent: int) -> None:
        self._order("lose", percent)

    def _order(self, word: str, *numbers: int) -> None:
        """In force when this returns."""
        orders, answers = self._relay.stdin, self._relay.stdout
        assert orders is not None
        assert answers is not None
        try:
            orders.write(" ".join([word, *map(str, numbers)]).encode() + b"\n")
        except BrokenPipeError:
            raise LabError(RELAY_DEAD) from None
        if not answers.readline():
            raise LabError(RELAY_DEAD)


def free_ports(count: int) -> list[int]:
    """UDP ports that nobody has at the moment, all different."""
    with ExitStack() as held:
        ports = []
        for _ in range(count):
            trial = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            trial.bind((HOST, 0))
            ports.append(int(trial.getsockname()[1]))
        return ports
