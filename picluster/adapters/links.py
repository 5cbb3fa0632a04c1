"""Interfaces over rtnetlink (man 7 rtnetlink; linux/if_link.h, linux/if_addr.h), for machines that picluster makes itself:
the virtual Pis of the lab and of the tests. On a user's machine picluster makes no interface and changes none.

    with NetworkNamespace.create() as pi, Links() as switch, Links(pi) as board:
        switch.add_bridge("switch")
        switch.add_veth("port1", "eth0", peer_namespace=pi, peer_mac="dc:a6:32:00:00:01")
        switch.attach("port1", "switch")
        board.add_address("eth0", "10.77.0.11/24")
        board.up("eth0")
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    Netlink,
    attribute,
    attributes,
    nested,
    text,
)

__all__ = ["ConfiguredAddress", "LinkState", "Links"]

# linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h
NETLINK_ROUTE = 0
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE = 24
RTA_OIF, RTA_GATEWAY = 4, 5
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_CARRIER = 1, 3, 5, 10, 18, 28, 33
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER, IFLA_VLAN_ID = 1, 2, 1, 1
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 4, 6, 8
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
IFF_UP = 0x1

INTERFACE = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, hardware type, index, flags, which flags to change."""
ADDRESS = struct.Struct("=BBBBI")
"""struct ifaddrmsg: family, prefix length, flags, scope, index of the interface."""
ROUTE = struct.Struct("=BBBBBBBBI")
"""struct rtmsg: family, lengths of the target's and the source's prefixes, type of service, table, protocol, scope, type,
flags."""
CACHE = struct.Struct("=IIII")
"""struct ifa_cacheinfo: preferred lifetime and valid lifetime in seconds; when made and when changed."""
NUMBER = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class LinkState:
    """An interface as the kernel describes it."""

    index: int
    name: str
    mac: str
    up: bool
    """Whether it is switched on and has a carrier."""


@dataclass(frozen=True, slots=True)
class ConfiguredAddress:
    """An address on an interface, as the kernel describes it."""

    index: int
    """The interface's."""
    interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface
    flags: int
    """IFA_F_… bits."""
    preferred_s: int
    valid_s: int
    """Seconds that are left; 2**32 - 1 means for ever."""


def link_state(answer: Message) -> LinkState:
    """Read an RTM_NEWLINK or RTM_DELLINK message."""
    _, _, index, flags, _ = INTERFACE.unpack_from(answer.body)
    found = attributes(answer.body[INTERFACE.size :])
    name = bytes(found.get(IFLA_IFNAME, memoryview(b""))).rstrip(b"\0").decode()
    carrier = bool(found.get(IFLA_CARRIER, memoryview(b"\0"))[0])
    return LinkState(index, name, bytes(found.get(IFLA_ADDRESS, memoryview(b""))).hex(":"), bool(flags & IFF_UP) and carrier)


def configured_address(answer: Message) -> ConfiguredAddress:
    """Read an RTM_NEWADDR or RTM_DELADDR message."""
    _, prefix, flags, _, index = ADDRESS.unpack_from(answer.body)
    found = attributes(answer.body[ADDRESS.size :])
    raw = bytes(found.get(IFA_LOCAL, found.get(IFA_ADDRESS, memoryview(b""))))
    preferred, valid, _, _ = CACHE.unpack(found[IFA_CACHEINFO]) if IFA_CACHEINFO in found else (2**32 - 1, 2**32 - 1, 0, 0)
    if IFA_FLAGS in found:
        flags = NUMBER.unpack(found[IFA_FLAGS])[0]
    return ConfiguredAddress(index, ipaddress.ip_interface((raw, prefix)), flags, preferred, valid)


class Links:
    """Makes and changes interfaces of one network namespace. Every call is done when it returns, or raises OSError."""

    def __init__(self, namespace: NetworkNamespace | None = None) -> None:
        """Of this thread's namespace where none is named. The namespace may be closed afterwards."""
        if namespace is None:
            self._netlink = Netlink(NETLINK_ROUTE)
        else:
            with namespace.entered():
                self._netlink = Netlink(NETLINK_ROUTE)

    def state(self, name: str) -> LinkState:
        """Raises OSError(ENODEV) where there is no such interface."""
        body = INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, name)
        return link_state(self._netlink.ask(RTM_GETLINK, 0, body)[0])

    def add_bridge(self, name: str) -> None:
        """A switch, up at once."""
        self._create("bridge", IFF_UP, text(IFLA_IFNAME, name))

    def add_veth(
        self,
        name: str,
        peer_name: str,
        *,
        peer_namespace: NetworkNamespace | None = None,
        mac: str | None = None,
        peer_mac: str | None = None,
    ) -> None:
        """A cable: `name` here, `peer_name` in the other namespace, both ends down."""
        peer = [INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0), text(IFLA_IFNAME, peer_name), mac_attribute(peer_mac)]
        if peer_namespace is not None:
            peer.append(attribute(IFLA_NET_NS_FD, NUMBER.pack(peer_namespace.fileno())))
        self._create("veth", 0, text(IFLA_IFNAME, name) + mac_attribute(mac), nested(VETH_INFO_PEER, *peer))

    def add_vlan(self, name: str, parent: str, number: int) -> None:
        """An interface for the frames of `parent` that carry this VLAN's number (IEEE 802.1Q), down."""
        named = text(IFLA_IFNAME, name) + attribute(IFLA_LINK, NUMBER.pack(self.state(parent).index))
        self._create("vlan", 0, named, attribute(IFLA_VLAN_ID, struct.pack("=H", number)))

    def remove(self, name: str) -> None:
        """Take the interface away; a cable goes with both its ends."""
        self._netlink.ask(RTM_DELLINK, 0, self._interface(name))

    def up(self, name: str) -> None:
        self._change(name, flags=IFF_UP)

    def down(self, name: str) -> None:
        self._change(name, flags=0)

    def attach(self, name: str, bridge: str) -> None:
        """Plug a port into a bridge, and switch it on."""
        self._change(name, attribute(IFLA_MASTER, NUMBER.pack(self.state(bridge).index)), flags=IFF_UP)

    def detach(self, name: str) -> None:
        """Unplug a port from its bridge; it stays up."""
        self._change(name, attribute(IFLA_MASTER, NUMBER.pack(0)))

    def rename(self, name: str, to: str) -> None:
        """Give the interface another name; it has to be down."""
        self._change(name, text(IFLA_IFNAME, to))

    def set_mac(self, name: str, mac: str) -> None:
        self._change(name, mac_attribute(mac))

    def add_address(self, name: str, address: str) -> None:
        """An ordinary address with its prefix, such as `10.77.0.11/24` or `fd77::11/64`, usable at once (no DAD)."""
        self._netlink.ask(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, self._address(name, address))

    def remove_address(self, name: str, address: str) -> None:
        self._netlink.ask(RTM_DELADDR, 0, self._address(name, address))

    def add_default_route(self, name: str, gateway: str) -> None:
        """Whatever has no way of its own goes to this IPv4 address from now on, through this interface, which is up."""
        body = ROUTE.pack(socket.AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0)
        body += attribute(RTA_GATEWAY, ipaddress.IPv4Address(gateway).packed)
        body += attribute(RTA_OIF, NUMBER.pack(self.state(name).index))
        self._netlink.ask(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body)

    def addresses(self) -> list[ConfiguredAddress]:
        """Every address of the namespace."""
        answers = self._netlink.ask(RTM_GETADDR, NLM_F_DUMP, ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        return [configured_address(answer) for answer in answers]

    def close(self) -> None:
        self._netlink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _create(self, kind: str, flags: int, named: bytes, data: bytes = b"") -> None:
        info = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind), nested(IFLA_INFO_DATA, data))
        body = INTERFACE.pack(socket.AF_UNSPEC, 0, 0, flags, flags) + named + info
        self._netlink.ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)

    def _change(self, name: str, changes: bytes = b"", flags: int | None = None) -> None:
        self._netlink.ask(RTM_NEWLINK, 0, self._interface(name, flags) + changes)

    def _interface(self, name: str, flags: int | None = None) -> bytes:
        mask = 0 if flags is None else IFF_UP
        return INTERFACE.pack(socket.AF_UNSPEC, 0, self.state(name).index, flags or 0, mask)

    def _address(self, name: str, address: str) -> bytes:
        interface = ipaddress.ip_interface(address)
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        body = ADDRESS.pack(family, interface.network.prefixlen, IFA_F_NODAD, 0, self.state(name).index)
        body += attribute(IFA_LOCAL, interface.packed) + attribute(IFA_ADDRESS, interface.packed)
        if isinstance(interface, ipaddress.IPv4Interface):
            body += attribute(IFA_BROADCAST, interface.network.broadcast_address.packed)
        return body


def mac_attribute(mac: str | None) -> bytes:
    return b"" if mac is None else attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
