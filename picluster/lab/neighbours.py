"""Whom a machine believes to have an address: its kernel's neighbour table, read and written (man 7 rtnetlink; man 7 arp;
linux/neighbour.h).

Traffic goes to whom the table names. An entry is *warm* while the neighbour was heard of not long ago; a *stale* one is used
as well, and checked only some seconds later.
"""

from __future__ import annotations

import enum
import ipaddress
import socket
import struct

from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.netlink import NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, Netlink, attribute, attributes

__all__ = ["Belief", "NeighbourTable"]

NETLINK_ROUTE = 0
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
NDA_DST, NDA_LLADDR = 1, 2
NEIGHBOUR = struct.Struct("=BxxxiHBB")
"""struct ndmsg: family, index of the interface, state, flags, type."""


class Belief(enum.Enum):
    """How sure the kernel is of an entry (NUD_…)."""

    WARM = 0x02
    STALE = 0x04


class NeighbourTable:
    """Of one interface of one machine."""

    def __init__(self, machine: NetworkNamespace, interface: str = "eth0") -> None:
        with machine.entered():
            self._index = socket.if_nametoindex(interface)
            self._netlink = Netlink(NETLINK_ROUTE)

    def believe(self, address: str, mac: str, belief: Belief) -> None:
        """Put an entry in, or replace the one that is there."""
        ip = ipaddress.ip_address(address)
        body = NEIGHBOUR.pack(_family(ip.version), self._index, belief.value, 0, 0)
        body += attribute(NDA_DST, ip.packed) + attribute(NDA_LLADDR, bytes.fromhex(mac.replace(":", "")))
        self._netlink.ask(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body)

    def mac_of(self, address: str) -> str:
        """The hardware address that traffic for this one goes to; empty where none is known."""
        ip = ipaddress.ip_address(address)
        for answer in self._netlink.ask(RTM_GETNEIGH, NLM_F_DUMP, NEIGHBOUR.pack(_family(ip.version), 0, 0, 0, 0)):
            _, index, _, _, _ = NEIGHBOUR.unpack_from(answer.body)
            found = attributes(answer.body[NEIGHBOUR.size :])
            if index == self._index and bytes(found.get(NDA_DST, b"")) == ip.packed and NDA_LLADDR in found:
                return found[NDA_LLADDR].hex(":")
        return ""

    def close(self) -> None:
        self._netlink.close()


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6
