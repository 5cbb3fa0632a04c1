"""The portable world: plain processes on 127.0.0.1, for machines without network namespaces (macOS, locked-down Linux).

A floating address is a UDP port here that only its holder binds, and the holder's agent answers on it. The agents, their
datagrams, mDNS and the rules are the real ones. What the kernel does for a Pi is missing, and so is the network between
them; `cannot` says what can therefore not be shown.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace

from picluster.lab.leash import Leash
from picluster.lab.programs import ClientFeed, kill, start
from picluster.lab.stack import Stack, write_files
from picluster.lab.world import CLIENT, Fault, World

__all__ = ["LoopbackWorld"]

HOST = "127.0.0.1"


class LoopbackWorld(World):
    description = "plain processes on 127.0.0.1; their floating address is a port that only the holder binds"
    observer_hosts = (HOST,)

    def __init__(self, stack: Stack) -> None:
        self._leash = Leash()
        # All labs of this machine share one loopback interface, and hear each other's mDNS there.
        super().__init__(replace(stack, cluster=f"lab-{self._leash.group}"), self._leash.directory)
        self.cannot = {
            Fault.FREEZE: "a frozen process keeps its port until it thaws or dies",
            Fault.PARTITION: "there is no cable between processes of one machine",
            Fault.LOSS: "nothing is lost between processes of one machine",
        }
        ports = free_ports(stack.size + len(stack.floating))
        floating = dict(zip(stack.floating, ports, strict=False))
        named = ", ".join(f"{name} = {port}" for name, port in floating.items())
        lines = f'mode = "loopback"\nhosts = ["{HOST}"]\n[loopback]\nports = {{ {named} }}'
        nodes = dict(zip(stack.names, ports[len(floating) :], strict=True))
        write_files(self.stack, self.directory, nodes, dict.fromkeys(stack.names, lines))
        command = [sys.executable, "-m", "picluster.lab.client", HOST, str(floating["web"]), "--nodes", *stack.names]
        client = start(command, self.log(CLIENT), group=self._leash.group, reading=True)
        self.client = ClientFeed(client, stack.names)

    def close(self) -> None:
        super().close()
        self._leash.close()

    def _boot(self, name: str) -> list[subprocess.Popen[bytes]]:
        return [self._start_agent(name, self._leash.group)]

    def _cut(self, name: str, programs: list[subprocess.Popen[bytes]]) -> None:  # noqa: ARG002  of all worlds this needs no name
        kill(programs)

    def _part(self, names: Collection[str]) -> None:
        raise NotImplementedError

    def _lose(self, percent: int) -> None:
        raise NotImplementedError


def free_ports(count: int) -> list[int]:
    """UDP ports that nobody has at the moment, all different."""
    with ExitStack() as held:
        ports = []
        for _ in range(count):
            trial = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            trial.bind((HOST, 0))
            ports.append(int(trial.getsockname()[1]))
        return ports
