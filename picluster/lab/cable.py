"""A bad cable: a program that stands in for the cable between a machine and the switch, and repeats and delays frames.

    python -m picluster.lab.cable MACHINE SWITCH REPEATED LATE LATE_MS

MACHINE and SWITCH are packet sockets (man 7 packet) on the two stumps of the cable; REPEATED and LATE are percentages of
what the agents tell each other. Whatever else passes is left alone: the client judges, and by late answers it could not. A
late frame arrives after those that were sent behind it, which is what reordering is. netem would do, if kernels could be
relied upon to have it.

Frames travel with the header that the kernel puts before them (PACKET_VNET_HDR; struct virtio_net_hdr): between virtual
cards checksums are left open, and this header says which.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.lab.programs import started
from picluster.model.inventory import DEFAULT_PORT
from picluster.model.timing import NANOSECONDS_PER_MS

__all__ = ["Flaws", "is_agents", "main", "stand_in"]

# linux/if_packet.h, linux/if_ether.h
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
ETH_P_ALL = 0x0003
LONGEST_FRAME = 1 << 17
VNET_HEADER, ETHERNET = 10, 14
PORTS_AT = {(b"\x08\x00", 9): 20, (b"\x86\xdd", 6): 40}
"""By the kind of frame, and where its IP header names the protocol: where that header ends and the ports of UDP stand."""
UDP = 17


@dataclass(frozen=True, slots=True)
class Flaws:
    """What is wrong with the cable."""

    repeated_percent: int
    late_percent: int
    late_ms: int
    """How late a frame is at most."""

    def delays_ns(self, chance: random.Random) -> list[int]:
        """How long each copy of a frame takes; mostly there is one copy, the frame itself, and it takes no time."""
        copies = 1 + (chance.randrange(100) < self.repeated_percent)
        return [self._delay_ns(chance) for _ in range(copies)]

    def _delay_ns(self, chance: random.Random) -> int:
        if chance.randrange(100) >= self.late_percent:
            return 0
        return chance.randrange(1, self.late_ms * NANOSECONDS_PER_MS + 1)


def stand_in(ends: Iterable[str], log: Path, flaws: Flaws) -> subprocess.Popen[bytes]:
    """Start one between two interfaces of this thread's network namespace. Raises LabError where it does not start."""
    stumps = [_join(end) for end in ends]
    try:
        descriptors = [stump.fileno() for stump in stumps]
        numbers = (*descriptors, flaws.repeated_percent, flaws.late_percent, flaws.late_ms)
        return started("picluster.lab.cable", map(str, numbers), log, keep=descriptors)
    finally:
        for stump in stumps:
            stump.close()


def _join(interface: str) -> socket.socket:
    stump = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    stump.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    stump.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    stump.bind((interface, ETH_P_ALL))
    return stump


def is_agents(frame: bytes, port: int = DEFAULT_PORT) -> bool:
    """Whether an agent tells another one something in this frame, which has the kernel's header before it."""
    network = VNET_HEADER + ETHERNET
    for (kind, protocol_at), ports_at in PORTS_AT.items():
        if frame[network - 2 : network] == kind and frame[network + protocol_at : network + protocol_at + 1] == bytes([UDP]):
            return frame[network + ports_at + 2 : network + ports_at + 4] == port.to_bytes(2, "big")
    return False


class Cable:
    """Two stumps, and the frames on their way between them."""

    def __init__(self, machine: socket.socket, switch: socket.socket, flaws: Flaws, chance: random.Random) -> None:
        self._ends = {machine: switch, switch: machine}
        self._flaws = flaws
        self._chance = chance
        self._late: list[tuple[int, int, socket.socket, bytes]] = []
        self._number = 0

    def run(self) -> None:
        """For ever."""
        while True:
            self._deliver()
            wait_s = max(0, self._late[0][0] - time.monotonic_ns()) / 1e9 if self._late else None
            for end in select.select(list(self._ends), [], [], wait_s)[0]:
                self._take(end)

    def _take(self, end: socket.socket) -> None:
        """Everything that has come in at this end."""
        while True:
            try:
                frame = end.recv(LONGEST_FRAME)
            except OSError:
                return  # there is no more, or the interface is down
            for delay_ns in self._flaws.delays_ns(self._chance) if is_agents(frame) else (0,):
                if delay_ns:
                    self._number += 1
                    heapq.heappush(self._late, (time.monotonic_ns() + delay_ns, self._number, self._ends[end], frame))
                else:
                    _send(self._ends[end], frame)

    def _deliver(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic_ns():
            _, _, end, frame = heapq.heappop(self._late)
            _send(end, frame)


def _send(end: socket.socket, frame: bytes) -> None:
    try:
        end.send(frame)
    except OSError:
        return  # the far side is down: lost, as on any cable


def main(arguments: Sequence[str]) -> None:
    machine, switch, *flaws = map(int, arguments)
    ends = [socket.socket(fileno=descriptor) for descriptor in (machine, switch)]
    for end in ends:
        end.setblocking(False)
    print("ready", flush=True)
    Cable(ends[0], ends[1], Flaws(*flaws), random.Random()).run()


if __name__ == "__main__":
    main(sys.argv[1:])
