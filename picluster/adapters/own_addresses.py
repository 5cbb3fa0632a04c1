"""Which addresses this machine has on which interfaces, and a descriptor that becomes readable when that may have changed.

Linux tells every change of an address or a link to a netlink socket that has joined the right groups (rtnetlink(7)), so
that nothing needs to be polled. The messages are read here only so far as to skip those that cannot matter: a holder's
floating address is renewed all the time, and each renewal is told.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Collection
from dataclasses import dataclass

import ifaddr

from picluster.adapters.netlink import NLM_F_DUMP, Message, Netlink, attributes
from picluster.model.inventory import IPAddress

# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/if.h
NETLINK_ROUTE = 0
RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR = 1, 5, 9
RTM_GETLINK, RTM_NEWADDR, RTM_DELADDR = 18, 20, 21
IFLA_IFNAME, IFLA_MASTER = 3, 10
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFF_RUNNING = 0x40
INTERFACE = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, hardware type, index, flags, which flags to change."""
ADDRESS_BYTES = 8
"""Length of struct ifaddrmsg."""


@dataclass(frozen=True, slots=True)
class OwnInterface:
    """An interface that carries traffic, with its usable addresses, in the order in which the kernel names them."""

    name: str
    addresses: tuple[IPAddress, ...]


def own_interfaces(wanted: Collection[str], leave_out: Collection[IPAddress]) -> tuple[OwnInterface, ...]:
    """The interfaces that have a carrier and an address, without the addresses to leave out.

    `wanted` names interfaces, or addresses (link-local ones perhaps with their zone) whose interfaces are meant with just
    these addresses; empty means every interface but the loopback, and but the ports of bridges (each container has one) that
    have a link-local address only.
    Raises OSError where the system does not tell.
    """
    named = frozenset(wanted)
    down, ports = _down_and_ports()
    found: dict[str, tuple[IPAddress, ...]] = {}
    for adapter in ifaddr.get_adapters():
        # An alias such as eth0:1 is an address label of old tools; its interface is eth0.
        name = adapter.name.partition(":")[0]
        usable = [address for ip in adapter.ips if (address := _usable(ip)) is not None and address not in leave_out]
        found[name] = found.get(name, ()) + tuple(address for address in usable if _is_wanted(name, address, named))
    idle = down | {name for name in ports - named if all(address.is_link_local for address in found.get(name, ()))}
    return tuple(OwnInterface(name, addresses) for name, addresses in found.items() if addresses and name not in idle)


def _is_wanted(name: str, address: IPAddress, wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint((name, str(address), f"{address}%{name}")) if wanted else not address.is_loopback


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


def _down_and_ports() -> tuple[set[str], set[str]]:
    """The interfaces without a carrier, and those that belong to a bridge or the like; unknown elsewhere than on Linux."""
    down: set[str] = set()
    ports: set[str] = set()
    if sys.platform != "linux":
        return down, ports
    with Netlink(NETLINK_ROUTE) as netlink:
        answers = netlink.ask(RTM_GETLINK, NLM_F_DUMP, INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
    for answer in answers:
        found = attributes(answer.body[INTERFACE.size :])
        name = bytes(found[IFLA_IFNAME]).rstrip(b"\0").decode()
        if not INTERFACE.unpack_from(answer.body)[3] & IFF_RUNNING:
            down.add(name)
        if IFLA_MASTER in found:
            ports.add(name)
    return down, ports


class AddressWatch:
    """Notices that addresses or links may have changed; silent about the addresses to leave out."""

    def __init__(self, leave_out: Collection[IPAddress]) -> None:
        """Raises OSError or AttributeError where there is no netlink."""
        self._leave_out = frozenset(address.packed for address in leave_out)
        self._netlink = Netlink(NETLINK_ROUTE, (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR))

    def fileno(self) -> int:
        return self._netlink.fileno()

    def changed(self) -> bool:
        """Read what was told; whether any of it may matter."""
        try:
            return any(self._matters(message) for message in self._netlink.heard())
        except OSError:
            return True  # ENOBUFS: more was told than the socket holds, so anything may have changed

    def close(self) -> None:
        self._netlink.close()

    def _matters(self, message: Message) -> bool:
        if message.kind not in (RTM_NEWADDR, RTM_DELADDR):
            return True
        found = attributes(message.body[ADDRESS_BYTES:])
        return bytes(found.get(IFA_LOCAL, found.get(IFA_ADDRESS, b""))) not in self._leave_out
