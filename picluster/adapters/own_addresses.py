"""Which addresses this machine has on which interfaces, and a descriptor that becomes readable when that may have changed.

Linux tells every change of an address or a link to a netlink socket that has joined the right groups (rtnetlink(7)), so
that nothing needs to be polled. The messages are read here only so far as to skip those that cannot matter: a holder's
floating address is renewed all the time, and each renewal is told.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import ifaddr

from picluster.model.inventory import IPAddress

# linux/rtnetlink.h, linux/if_addr.h, linux/sockios.h, linux/if.h
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
RTM_NEWADDR, RTM_DELADDR = 20, 21
IFA_ADDRESS, IFA_LOCAL = 1, 2
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40
MESSAGE_HEADER = struct.Struct("=IHHII")
ADDRESS_HEADER_LENGTH = 8
ATTRIBUTE_HEADER = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class OwnInterface:
    """An interface that carries traffic, with its usable addresses, in the order in which the kernel names them."""

    name: str
    addresses: tuple[IPAddress, ...]


def own_interfaces(wanted: Collection[str], leave_out: Collection[IPAddress]) -> tuple[OwnInterface, ...]:
    """The interfaces that have a carrier and an address, without the addresses to leave out.

    `wanted` names interfaces, or addresses whose interfaces are meant with just these addresses; empty means every
    interface but the loopback. Raises OSError where the system does not tell.
    """
    found = []
    for adapter in ifaddr.get_adapters():
        # An alias such as eth0:1 is an address label of old tools; its interface is eth0.
        name = adapter.name.partition(":")[0]
        own = [address for ip in adapter.ips if (address := _usable(ip)) not in (None, *leave_out)]
        addresses = tuple(address for address in own if address is not None and _is_wanted(name, address, wanted))
        if addresses and _is_running(name):
            found.append(OwnInterface(name, addresses))
    return tuple(found)


def _is_wanted(name: str, address: IPAddress, wanted: Collection[str]) -> bool:
    return name in wanted or str(address) in wanted if wanted else not address.is_loopback


def _usable(ip: ifaddr.IP) -> IPAddress | None:
    """The address, unless it is an IPv6 one that cannot be bound yet: duplicate address detection (RFC 4862 section 5.4)
    takes a second or two, and its end is told as a change."""
    if isinstance(ip.ip, str):
        return ipaddress.ip_address(ip.ip)
    host, flow, scope = ip.ip
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((host, 0, flow, scope))
        except OSError:
            return None
    return ipaddress.ip_address(host)


def _is_running(name: str) -> bool:
    """Whether the interface is up and has a carrier (netdevice(7)); elsewhere than on Linux every interface counts."""
    if sys.platform != "linux":
        return True
    request = struct.pack("16sH14x", name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, SIOCGIFFLAGS, request)
        except OSError:
            return False
    return bool(struct.unpack("16sH14x", answer)[1] & IFF_RUNNING)


class NetlinkWatch:
    """Notices that addresses or links may have changed; silent about the addresses to leave out."""

    def __init__(self, leave_out: Collection[IPAddress]) -> None:
        """Raises OSError or AttributeError where there is no netlink."""
        self._leave_out = frozenset(address.packed for address in leave_out)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))

    def fileno(self) -> int:
        return self._socket.fileno()

    def changed(self) -> bool:
        """Read what was told; whether any of it may matter."""
        changed = False
        while True:
            try:
                data = self._socket.recv(65_536)
            except BlockingIOError:
                return changed
            except OSError:
                return True  # ENOBUFS: more was told than the socket holds, so anything may have changed
            changed = changed or any(self._matters(kind, body) for kind, body in _messages(data))

    def close(self) -> None:
        self._socket.close()

    def _matters(self, kind: int, body: bytes) -> bool:
        if kind not in (RTM_NEWADDR, RTM_DELADDR):
            return True
        addresses = [value for name, value in _attributes(body) if name in (IFA_ADDRESS, IFA_LOCAL)]
        return not any(address in self._leave_out for address in addresses)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each netlink message (netlink(7)); each starts at a multiple of four bytes."""
    at = 0
    while at + MESSAGE_HEADER.size <= len(data):
        length, kind, _, _, _ = MESSAGE_HEADER.unpack_from(data, at)
        yield kind, data[at + MESSAGE_HEADER.size : at + length]
        at += max(-(-length // 4) * 4, MESSAGE_HEADER.size)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Name and value of each attribute of an address message."""
    at = ADDRESS_HEADER_LENGTH
    while at + ATTRIBUTE_HEADER.size <= len(body):
        length, name = ATTRIBUTE_HEADER.unpack_from(body, at)
        yield name, body[at + ATTRIBUTE_HEADER.size : at + length]
        at += max(-(-length // 4) * 4, ATTRIBUTE_HEADER.size)
