"""A world of network namespaces: each virtual Pi has a kernel network of its own, and a cable to a switch.

    pi1: eth0 ──┐                        ┌── client: asks the floating address, and believes its ARP cache
    pi2: eth0 ──┼── switch (a bridge) ───┤
    pi3: eth0 ──┘        │               └── auditor: asks everybody at once, on whichever side of a partition
                     dashboard

The agents rent the floating address from a real kernel here: netlink, nftables and ARP are those of a Pi. A Pi's namespace
is made anew at each boot, so no address and no rule outlives a power cut. A world of this kind has to be made within
`picluster.adapters.namespaces.run_isolated`.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from picluster.adapters.namespaces import NetworkNamespace
from picluster.lab.cable import Flaws, stand_in
from picluster.lab.programs import ClientFeed, kill, start, started
from picluster.lab.stack import SERVICE_PORT, Stack, write_files
from picluster.lab.switch import Switch
from picluster.lab.world import Fault, World

__all__ = ["NamespaceWorld"]

CLIENT, AUDITOR = "client", "auditor"
ADDRESSES = {CLIENT: ("10.77.0.2/24", "fd77::2/64"), AUDITOR: ("10.77.0.3/24", "fd77::3/64")}
MACS = {CLIENT: "02:00:00:00:00:02", AUDITOR: "02:00:00:00:00:03"}
AUDITOR_HOST = ("10.77.0.3", 7778)
ETH_P_ARP = 0x0806


class NamespaceWorld(World):
    description = "each with a kernel network of its own (network namespaces), on one switch"

    def __init__(self, stack: Stack, directory: Path) -> None:
        super().__init__(stack, directory)
        write_files(stack, directory)
        self._machines: dict[str, NetworkNamespace] = {}
        self._cables: dict[str, subprocess.Popen[bytes]] = {}
        """What stands in for the cables that are spoilt."""
        self._switch = Switch()
        refused = self._switch.refuses_filters()
        self.cannot = {Fault.PARTITION: refused, Fault.LOSS: refused} if refused else {}
        self.client = self._start_client()

    def machine(self, name: str) -> NetworkNamespace:
        """The network of a Pi with power, of the client, or of a guest."""
        return self._machines[name]

    def join(self, name: str, mac: str, addresses: Collection[str]) -> NetworkNamespace:
        """A guest comes to the switch: a machine that is not of the stack."""
        self._machines[name] = self._plugged_in(name, mac, addresses)
        return self._machines[name]

    def leave(self, name: str) -> None:
        """The guest goes, without a word."""
        self._switch.unplug(name)
        self._machines.pop(name).close()

    def join_client(self, name: str, mac: str, addresses: Collection[str]) -> ClientFeed:
        """One more ordinary client, for instance on the other side of a partition. Whoever asks for it ends it."""
        with self.join(name, mac, addresses).entered():
            return ClientFeed(start(self._client_command(), self.log(name), reading=True), self.stack.names)

    def block(self, ways: Iterable[tuple[str, str]]) -> None:
        """Nothing passes from the first machine of each of these to the second any more; `heal` ends it."""
        self._switch.block(ways)

    def unplug(self, name: str) -> None:
        """Pull the network adapter out of a Pi: its `eth0` is gone. It keeps its power."""
        self._switch.unplug(name)

    def replug(self, name: str) -> None:
        """The adapter comes back, with the same hardware address."""
        pi = self.stack.pi(name)
        self._switch.plug(name, self._machines[name], pi.mac, pi.addresses)

    def carrier(self, name: str, *, up: bool) -> None:
        """The network cable is pulled out at the switch, or plugged in again."""
        if up:
            self._switch.up(name)
        else:
            self._switch.down(name)

    def spoil(self, name: str, flaws: Flaws) -> None:
        """The machine's cable is a bad one from now on, in both directions."""
        self._cables[name] = stand_in(self._switch.splice(name), self.log(name), flaws)

    def mend(self, name: str) -> None:
        """The cable is whole again."""
        kill([self._cables.pop(name)])
        self._switch.mend(name)

    def close(self) -> None:
        super().close()
        kill(self._cables.values())
        self._switch.close()
        for machine in self._machines.values():
            machine.close()

    def _start_client(self) -> ClientFeed:
        for name in (CLIENT, AUDITOR):
            self._machines[name] = self._plugged_in(name, MACS[name], ADDRESSES[name])
        with self._machines[AUDITOR].entered():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
            answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with wire, answers, self._machines[CLIENT].entered():
            wire.bind(("eth0", ETH_P_ARP))
            answers.bind(AUDITOR_HOST)
            command = [*self._client_command(), "--audit", str(wire.fileno()), str(answers.fileno())]
            keep = (wire.fileno(), answers.fileno())
            return ClientFeed(start(command, self.log(CLIENT), keep=keep, reading=True), self.stack.names)

    def _client_command(self) -> list[str]:
        target = (self.stack.floating["web"], str(SERVICE_PORT))
        return [sys.executable, "-m", "picluster.lab.client", *target, "--nodes", *self.stack.names]

    def _boot(self, name: str) -> list[subprocess.Popen[bytes]]:
        pi = self.stack.pi(name)
        self._machines[name] = self._plugged_in(name, pi.mac, pi.addresses)
        with self._machines[name].entered():
            arguments = [name, str(SERVICE_PORT), *self.stack.floating.values()]
            responder = started("picluster.lab.responder", arguments, self.log(name))
            return [responder, self._start_agent(name)]

    def _restart_agent(self, name: str) -> subprocess.Popen[bytes]:
        with self._machines[name].entered():
            return self._start_agent(name)

    def _plugged_in(self, port: str, mac: str, addresses: Collection[str]) -> NetworkNamespace:
        machine = NetworkNamespace.create()
        with machine.entered(), suppress(OSError):
            # Nobody else is on this wire, so link-local addresses need not wait a second to find that out (RFC 4862
            # section 5.4). A container that forbids it makes the first second after a boot less calm, and that is all.
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0", encoding="ascii")
        self._switch.plug(port, machine, mac, addresses)
        return machine

    def _cut(self, name: str, programs: list[subprocess.Popen[bytes]]) -> None:
        # The link first: what dies may not even send a last packet.
        self._switch.down(name)
        kill(programs)
        self._switch.unplug(name)
        self._machines.pop(name).close()

    def _part(self, names: Collection[str]) -> None:
        others = [name for name in self.powered if name not in names]
        self._switch.part([name for name in names if name in self.powered], [*others, CLIENT])

    def _lose(self, percent: int) -> None:
        self._switch.lose(percent, spared=[CLIENT, AUDITOR])
