"""What the kernel knows of the network around (man 5 proc: /proc/net/route, /proc/net/arp), and which of some addresses
somebody has already.

Whether an address is free is asked by ARP (RFC 5227: a question from nobody, which leaves no trace in any cache). That takes
CAP_NET_RAW. Without it the kernel is made to ask: a datagram to the address, to the discard port, and its neighbour table
says a moment later whether somebody has answered. IPv4 only, as home networks are.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import ifaddr

from picluster.adapters.neighbours import Neighbours
from picluster.errors import KernelError
from picluster.model.surroundings import Neighbour, Uplink

__all__ = ["neighbours", "occupied", "time_zone", "uplink"]

NETWORK = Path("/proc/thread-self/net")
RTF_UP, RTF_GATEWAY = 0x1, 0x2
ATF_COM = 0x2
"""linux/if_arp.h: the entry is complete, somebody has answered."""
DISCARD_PORT = 9
ROUNDS = 3
NOBODY = ipaddress.IPv4Address(0)
ZONES = "/zoneinfo/"


def uplink() -> Uplink | None:
    """By the default route of the smallest metric; None where there is none."""
    routes = sorted(_default_routes(), key=lambda route: route[0])
    for _, interface, gateway in routes:
        for adapter in ifaddr.get_adapters():
            for own in adapter.ips:
                if adapter.name == interface and isinstance(own.ip, str):
                    address = ipaddress.IPv4Interface(f"{own.ip}/{own.network_prefix}")
                    if gateway in address.network:
                        return Uplink(interface, address, gateway)
    return None


def _default_routes() -> Iterator[tuple[int, str, ipaddress.IPv4Address]]:
    """Metric, interface and gateway. Addresses stand as the processor reads four bytes of memory: little-endian, on all that
    picluster runs on."""
    for words in _rows("route"):
        interface, target, gateway, flags, metric, mask = words[0], *words[1:4], words[6], words[7]
        if int(target, 16) == int(mask, 16) == 0 and int(flags, 16) & RTF_UP and int(flags, 16) & RTF_GATEWAY:
            yield int(metric), interface, ipaddress.IPv4Address(bytes.fromhex(gateway)[::-1])


def neighbours() -> tuple[Neighbour, ...]:
    """Those that have answered lately."""
    return tuple(
        Neighbour(ipaddress.IPv4Address(words[0]), words[3].lower()) for words in _rows("arp") if int(words[2], 16) & ATF_COM
    )


def _rows(table: str) -> list[list[str]]:
    """Without the heading. None where the system has no such table."""
    try:
        text = (NETWORK / table).read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return [line.split() for line in text.splitlines()[1:] if line.split()]


def occupied(
    interface: str, addresses: Sequence[ipaddress.IPv4Address], seconds: float
) -> tuple[frozenset[ipaddress.IPv4Address], bool]:
    """Which of the addresses somebody has, as far as they answer within so many seconds; and whether they were asked by ARP.
    Where they were not, a machine that hides behind a firewall is found all the same: the kernel asks by ARP, too."""
    try:
        return frozenset(_asked(interface, addresses, seconds)), True
    except KernelError:
        return frozenset(_poked(addresses, seconds)), False


def _asked(interface: str, addresses: Sequence[ipaddress.IPv4Address], seconds: float) -> Collection[ipaddress.IPv4Address]:
    """Raises KernelError where ARP may not be spoken here."""
    found: set[ipaddress.IPv4Address] = set()
    with closing(Neighbours()) as link:
        link.listen(interface, addresses)
        for _ in range(ROUNDS):
            for address in addresses:
                link.ask(interface, address, NOBODY)
            deadline = time.monotonic() + seconds / ROUNDS
            while (left := deadline - time.monotonic()) > 0:
                select.select(link.filenos(), [], [], left)
                heard = {speech.address for speech in link.heard()}
                found.update(address for address in addresses if address in heard)
    return found


def _poked(addresses: Sequence[ipaddress.IPv4Address], seconds: float) -> Collection[ipaddress.IPv4Address]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        for address in addresses:
            with suppress(OSError):  # no route to it, or somebody said already that it does not listen there
                own.sendto(b"", (str(address), DISCARD_PORT))
        deadline = time.monotonic() + seconds
        while True:
            found = {one.address for one in neighbours()}.intersection(addresses)
            if len(found) == len(addresses) or time.monotonic() >= deadline:
                return found
            time.sleep(0.02)


def time_zone() -> str | None:
    """This machine's, by the name that the time zone database has for it; None where it does not say."""
    with suppress(OSError):
        _, found, name = str(Path("/etc/localtime").resolve()).partition(ZONES)
        if found:
            return name
    return None
