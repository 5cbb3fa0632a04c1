"""The scene of the kernel's tests: a Pi, a client and an intruder, each with one interface in the same switch.

The Pi is the network namespace in which the test runs, since a keeper works on its own machine; the others are reached by
sockets that were made inside their namespaces.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from picluster.adapters.clock import BootClock
from picluster.adapters.keeper import KernelAddressKeeper
from picluster.adapters.links import Links
from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.neighbours import Neighbours
from picluster.adapters.netlink import NLM_F_DUMP, Netlink, attribute, attributes
from picluster.adapters.nftables import NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES
from picluster.model.inventory import Candidate, FloatingAddress, IPAddress
from picluster.ports import Observation
from tests.patience import until

__all__ = [
    "BOTH",
    "CLIENT",
    "FLOATING",
    "FLOATING6",
    "INTRUDER",
    "MS",
    "PI",
    "SHORT_MS",
    "Scene",
    "ScriptedClock",
    "arrived",
    "forked",
    "host_route",
    "neighbour_mac",
    "points_to",
    "tables",
]

MS = 1_000_000
SHORT_MS = 250
"""A lease that a test waits for the end of: longer than the call that asks for it takes on a busy machine."""
PI, CLIENT, INTRUDER = "dc:a6:32:00:00:01", "dc:a6:32:00:00:09", "dc:a6:32:00:00:66"
FLOATING = FloatingAddress("web", ipaddress.ip_address("10.77.0.100"), "eth0", (Candidate("pi1"),))
FLOATING6 = FloatingAddress("web6", ipaddress.ip_address("fd77::100"), "eth0", (Candidate("pi1"),))
BOTH = (FLOATING, FLOATING6)
DELNEIGH, GETNEIGH, NEIGHBOUR, NDA_DST, NDA_LLADDR = 29, 30, struct.Struct("=BxxxiHBB"), 1, 2
NFT_MSG_GETTABLE, NFTA_TABLE_NAME = 1, 1
ECHO = struct.Struct("!BBHHH")


def arrived(keeper: KernelAddressKeeper) -> list[Observation]:
    """The next observations of a keeper that must have some."""
    seen: list[Observation] = []

    def something() -> bool:
        seen.extend(keeper.observations())
        return bool(seen)

    until(something, "the keeper has something to tell", meanwhile=lambda: select.select(keeper.filenos(), [], [], 1.0))
    return seen


@contextmanager
def forked(body: Callable[[], None]) -> Iterator[int]:
    """The body in a process of its own, for an isolated test: handed out by its number, and killed in the end."""
    child = os.fork()
    if child == 0:
        body()
        os._exit(0)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def host_route(floating: FloatingAddress) -> str:
    return f"{floating.address}/{floating.address.max_prefixlen}"


def tables() -> list[tuple[int, str]]:
    """Family and name of every nftables table of this namespace."""
    with Netlink(NETLINK_NETFILTER) as netlink:
        answers = netlink.ask(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, bytes(4))
    names = [bytes(attributes(answer.body[4:])[NFTA_TABLE_NAME]) for answer in answers]
    return [(answer.body[0], name.rstrip(b"\0").decode()) for answer, name in zip(answers, names, strict=True)]


def _icmp_checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Host:
    """A machine on the switch that is not the Pi."""

    def __init__(self, name: str, last: int, mac: str, switch: Links) -> None:
        self.namespace = NetworkNamespace.create()
        switch.add_veth(name, "eth0", peer_namespace=self.namespace, peer_mac=mac)
        switch.attach(name, "switch")
        self.links = Links(self.namespace)
        self.links.add_address("eth0", f"10.77.0.{last}/24")
        self.links.add_address("eth0", f"fd77::{last}/64")
        self.links.up("eth0")
        with self.namespace.entered():
            self._route = Netlink(0)
            self._pings = {
                4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
                6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
            }
        self.sequence = 0
        self.sent_ns: dict[int, int] = {}

    def ping(self, address: IPAddress) -> int:
        """Send one echo request; its number. The kernel over there answers, whatever its processes do."""
        self.sequence += 1
        if address.version == 4:
            request = ECHO.pack(8, 0, 0, os.getpid() & 0xFFFF, self.sequence)
            request = ECHO.pack(8, 0, _icmp_checksum(request), os.getpid() & 0xFFFF, self.sequence)
        else:
            request = ECHO.pack(128, 0, 0, os.getpid() & 0xFFFF, self.sequence)
        self.sent_ns[self.sequence] = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._pings[address.version].sendto(request, (str(address), 0))
        return self.sequence

    def pongs(self, version: int, wait_s: float = 0.0) -> list[int]:
        """The numbers of the echo replies that have arrived."""
        numbers: list[int] = []
        pings = self._pings[version]
        while select.select([pings], [], [], 0 if numbers else wait_s)[0]:
            data = pings.recv(2_048)
            kind, _, _, _, number = ECHO.unpack_from(data, 20 if version == 4 else 0)
            if kind == (0 if version == 4 else 129):
                numbers.append(number)
        return numbers

    def answered(self, address: IPAddress) -> bool:
        """Whether one of the pings of the next 50 ms is answered. Whose the address is, the client asks anew."""
        self.forget(address)
        first = self.sequence + 1
        for _ in range(10):
            self.ping(address)
            if any(number >= first for number in self.pongs(address.version, 0.005)):
                return True
        return False

    def forget(self, address: IPAddress) -> None:
        """Take the address out of the neighbour cache: a question that went unanswered is not repeated for a second."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        body = NEIGHBOUR.pack(family, self.links.state("eth0").index, 0, 0, 0) + attribute(NDA_DST, address.packed)
        with suppress(FileNotFoundError):
            self._route.ask(DELNEIGH, 0, body)

    def reaches(self, address: IPAddress) -> bool:
        """Whether the address is answered for, if need be after a while: cables take some milliseconds to come up."""
        until(lambda: self.answered(address), f"{address} answers")
        return True

    def neighbour_mac(self, address: IPAddress) -> str:
        """The MAC in this machine's neighbour cache; empty where there is none."""
        return neighbour_mac(self._route, address)

    def neighbours(self) -> Neighbours:
        """A voice and an ear, to be used within `namespace.entered()`."""
        return Neighbours()


def neighbour_mac(route: Netlink, address: IPAddress) -> str:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    for answer in route.ask(GETNEIGH, NLM_F_DUMP, NEIGHBOUR.pack(family, 0, 0, 0, 0)):
        found = attributes(answer.body[NEIGHBOUR.size :])
        if bytes(found[NDA_DST]) == address.packed and NDA_LLADDR in found:
            return bytes(found[NDA_LLADDR]).hex(":")
    return ""


def points_to(scene: Scene, floating: FloatingAddress, mac: str) -> bool:
    """Whether the client would send to this hardware address."""
    return scene.client.neighbour_mac(floating.address) == mac


class ScriptedClock:
    """Reads the true clock, and is asked `at` the how-manieth reading to be `later_ns` from then on."""

    def __init__(self, at: int, later_ns: int) -> None:
        self._readings = itertools.count(1)
        self._at, self._later_ns = at, later_ns
        self._true = BootClock()

    def now_ns(self) -> int:
        return self._true.now_ns() + (self._later_ns if next(self._readings) >= self._at else 0)


FEWEST_LATE = 10
"""Questions that are asked after the end of a lease, whatever else the machine has to do."""


class Scene:
    def __init__(self) -> None:
        self.clock = BootClock()
        self.outside = NetworkNamespace.create()
        self.switch = Links(self.outside)
        self.switch.add_bridge("switch")
        self.pi = Links()
        self.plug_in_pi()
        self.client = Host("client", 9, CLIENT, self.switch)
        self.intruder = Host("intruder", 66, INTRUDER, self.switch)
        # The kernel lets a bridge's port forward some time after the cable is in.
        for host in ("10.77.0.1", "10.77.0.66", "fd77::1", "fd77::66"):
            self.client.reaches(ipaddress.ip_address(host))

    def plug_in_pi(self, name: str = "eth0", mac: str = PI, last: int = 1) -> None:
        with NetworkNamespace.current() as here:
            self.switch.add_veth(f"pi-{name}", name, peer_namespace=here, peer_mac=mac)
        self.switch.attach(f"pi-{name}", "switch")
        self.pi.add_address(name, f"10.77.0.{last}/24")
        self.pi.add_address(name, f"fd77::{last}/64")
        self.pi.up(name)

    def configured(self) -> list[str]:
        return [str(found.interface) for found in self.pi.addresses()]

    def lease(self, milliseconds: int) -> int:
        """The moment so far from now."""
        return self.clock.now_ns() + milliseconds * MS

    def take(self, keeper: KernelAddressKeeper, *addresses: FloatingAddress) -> None:
        """Hold the addresses for a minute, longer than any test lasts, and see that the client reaches them."""
        for floating in addresses:
            assert keeper.hold(floating, self.lease(60_000))
            assert self.client.reaches(floating.address)

    def pings(self, address: IPAddress, end_ns: int) -> Iterator[None]:
        """The client asks once a millisecond until that moment; after each question it is the caller's turn."""
        while self.clock.now_ns() < end_ns:
            self.client.ping(address)
            time.sleep(0.001)
            yield

    def answered_late(self, floating: FloatingAddress, end_ns: int) -> list[int]:
        """Which of the questions that are asked from now on, until well past the lease's end, were asked at or after the end
        and answered all the same."""
        for _ in self.pings(floating.address, end_ns + 60 * MS):
            pass
        # On a busy machine all of that may have passed between two questions.
        for _ in range(FEWEST_LATE):
            self.client.ping(floating.address)
            time.sleep(0.001)
        return [number for number in self.client.pongs(floating.address.version) if self.client.sent_ns[number] >= end_ns]

    def let_lease_end(self, keeper: KernelAddressKeeper, floating: FloatingAddress) -> None:
        """Renewed for the last time; the lease is over then, and the address is still configured."""
        until_ns = self.lease(SHORT_MS)
        assert keeper.hold(floating, until_ns)
        self.wait_until(until_ns)
        assert host_route(floating) in self.configured()

    def wait_until(self, moment_ns: int) -> None:
        until(lambda: self.clock.now_ns() >= moment_ns, "the moment comes")

    def keeper(self) -> KernelAddressKeeper:
        keeper = KernelAddressKeeper(self.clock)
        keeper.clean_slate([FLOATING, FLOATING6])
        assert keeper.not_covered() == ()
        return keeper

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The namespaces go with the process."""
