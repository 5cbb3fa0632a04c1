"""Floating addresses on interfaces, over rtnetlink (man 7 rtnetlink; linux/if_addr.h), and what happens to them there.

An address is added as /32 or /128, with
- `noprefixroute`: no route comes or goes with it;
- a preferred lifetime of 0: it is answered for, and never chosen as the source of this machine's own connections (RFC 4862
  section 5.5.4 calls it deprecated);
- a finite valid lifetime: should the agent die, the kernel takes the address away by itself, some seconds later;
- `nodad` for IPv6: the cluster has settled whose it is, and duplicate address detection would cost a second.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from picluster.adapters.links import (
    ADDRESS,
    CACHE,
    IFA_ADDRESS,
    IFA_CACHEINFO,
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    IFA_FLAGS,
    IFA_LOCAL,
    IFLA_IFNAME,
    INTERFACE,
    NETLINK_ROUTE,
    NUMBER,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    ConfiguredAddress,
    LinkState,
    configured_address,
    link_state,
)
from picluster.adapters.netlink import NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, Message, Netlink, attribute, text
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress, IPAddress
from picluster.ports import AddressRemoved, LinkChanged

__all__ = ["Addresses"]

RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR = 1, 5, 9
SECOND_NS = 1_000_000_000
SPARE_S = 2
"""How long an address outlasts its lease, at most: the kernel counts in seconds. It is renewed when half of that is left."""
GATED_SPARE_S = 10
"""Where a gate ends the lease, the lifetime only tidies up. It is renewed seldom then, since that may take long: the kernel
changes addresses one at a time, and whoever is at it may be kept from running. On two loaded cores 87 ms were seen."""


NO_INDEX = 0
"""Interfaces are counted from 1."""


@dataclass(frozen=True, slots=True)
class Link:
    """What is known of an interface that is watched: which of all that may bear its name, and whether it carries."""

    index: int
    up: bool


@dataclass(slots=True)
class Configured:
    """What this agent has put on an interface."""

    floating: FloatingAddress
    index: int
    valid_until_ns: int


def _body(index: int, address: IPAddress, valid_s: int | None = None) -> bytes:
    """An ifaddrmsg for the address as a host's; with its flags and lifetimes where it is to be added."""
    ipv4 = address.version == 4
    packed = address.packed
    body = ADDRESS.pack(socket.AF_INET if ipv4 else socket.AF_INET6, address.max_prefixlen, 0, 0, index)
    body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    if valid_s is None:
        return body
    flags = IFA_F_NOPREFIXROUTE | (0 if ipv4 else IFA_F_NODAD)
    return body + attribute(IFA_FLAGS, NUMBER.pack(flags)) + attribute(IFA_CACHEINFO, CACHE.pack(0, valid_s, 0, 0))


class Addresses:
    """Puts floating addresses on interfaces and takes them off; notices when somebody else does, and when links change."""

    def __init__(self) -> None:
        """Raises KernelError where the kernel gives no netlink socket."""
        try:
            self._netlink = Netlink(NETLINK_ROUTE)
            self._watch = Netlink(NETLINK_ROUTE, (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR))
            # Each renewal of a lifetime, ours and a router's, would wake the agent for nothing.
            self._watch.ignore(RTM_NEWADDR)
        except OSError as error:
            raise KernelError(f"no netlink socket to be had ({error}); the agent needs Linux and AF_NETLINK") from error
        self.spare_s = SPARE_S
        self._configured: dict[str, Configured] = {}
        self._links: dict[str, Link] = {}
        self._unheard = False
        """Whether notifications were lost since everything was last looked at."""
        self._fewer = False
        """Whether somebody's addresses have become fewer since that was last asked for."""

    def fileno(self) -> int:
        """Readable when `observations` may have something."""
        return self._watch.fileno()

    def watch(self, interface: str) -> None:
        """Tell of this interface's changes from now on."""
        if interface not in self._links:
            self._links[interface] = self._look(interface)

    def unwatch(self, interface: str) -> None:
        self._links.pop(interface, None)

    def clean(self, addresses: Iterable[IPAddress]) -> None:
        """Take these off every interface, whoever of picluster's agents left them there. Raises KernelError where one is
        configured with the prefix of a network: that is a machine's own address, which no agent may touch."""
        wanted = set(addresses)
        for found in self._dump():
            if found.interface.ip in wanted:
                self._clean_one(found)
        self._configured = {name: entry for name, entry in self._configured.items() if entry.floating.address not in wanted}

    def _clean_one(self, found: ConfiguredAddress) -> None:
        address = found.interface.ip
        if found.interface.network.prefixlen != address.max_prefixlen:
            raise KernelError(
                f"{found.interface} is configured on this machine as an ordinary address, but the inventory lets {address} "
                f"float. Take it out of this machine's network settings, or let another address float"
            )
        self._delete(found.index, address)

    def refresh(self, floating: FloatingAddress, now_ns: int, until_ns: int) -> None:
        """See to it that the address is there, and stays that long at least. Asks the kernel when half the spare is gone."""
        entry = self._configured.get(floating.name)
        if entry is not None and entry.valid_until_ns >= until_ns + self.spare_s * SECOND_NS // 2:
            return
        index = self._index(floating.interface)
        valid_s = -(-(until_ns - now_ns) // SECOND_NS) + self.spare_s
        try:
            self._netlink.ask(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, _body(index, floating.address, valid_s))
        except PermissionError as error:
            raise KernelError(f"may not add {floating.address} to {floating.interface}: needs CAP_NET_ADMIN") from error
        except OSError as error:
            raise KernelError(f"the kernel refuses {floating.address} on {floating.interface}: {error.strerror}") from error
        self._configured[floating.name] = Configured(floating, index, now_ns + valid_s * SECOND_NS)

    def remove(self, floating: FloatingAddress) -> None:
        """Take it off. Harmless where it is not on."""
        entry = self._configured.pop(floating.name, None)
        if entry is not None:
            self._delete(entry.index, floating.address)

    def stands_alone(self, floating: FloatingAddress, floats: Collection[IPAddress]) -> bool:
        """Whether its interface is there and has no address of its family that is this machine's own: `floats` are not, and
        a link-local one does not count, since it brings no route to anybody who could be answered."""
        state = self._state(floating.interface)
        return state is not None and not any(
            found.index == state.index
            and found.interface.version == floating.address.version
            and not found.interface.ip.is_link_local
            and found.interface.ip not in floats
            for found in self._dump()
        )

    def fewer(self) -> bool:
        """Whether anybody's addresses, ours or not, have become fewer since the last call; as `observations` has heard."""
        fewer, self._fewer = self._fewer, False
        return fewer

    def configured(self) -> list[FloatingAddress]:
        """What this agent has put on interfaces."""
        return [entry.floating for entry in self._configured.values()]

    def own_macs(self) -> set[str]:
        """The hardware addresses of all of this machine's interfaces."""
        answers = self._netlink.ask(RTM_GETLINK, NLM_F_DUMP, INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        return {link_state(answer).mac for answer in answers}

    def observations(self) -> list[AddressRemoved | LinkChanged]:
        """What others did to our addresses, and what became of the links, since the last call."""
        heard = self._heard()
        if self._unheard:
            self._fewer = True
            return self._look_anew()
        self._fewer |= any(answer.kind == RTM_DELADDR for answer in heard)
        seen: list[AddressRemoved | LinkChanged] = []
        for answer in heard:
            # A bridge tells of its ports in messages of the same kinds, and of a family of its own.
            if answer.kind in (RTM_NEWLINK, RTM_DELLINK) and answer.body[0] == socket.AF_UNSPEC:
                seen += self._link_event(answer)
        if any(answer.kind == RTM_DELADDR and self._is_ours(configured_address(answer)) for answer in heard):
            seen += self._missing()
        return seen

    def close(self) -> None:
        self._netlink.close()
        self._watch.close()

    def _link_event(self, answer: Message) -> list[AddressRemoved | LinkChanged]:
        link = link_state(answer)
        seen = []
        for name, known in self._links.items():
            if name == link.name:
                # Of two interfaces of one name, one after the other, the later counts.
                there = answer.kind == RTM_NEWLINK
                if there or known.index == link.index:
                    seen += self._link_is(name, Link(link.index if there else NO_INDEX, up=there and link.up))
            elif known.index == link.index:
                # The interface has another name now, so there is none of this one.
                seen += self._link_is(name, Link(NO_INDEX, up=False))
        return seen

    def _link_is(self, name: str, link: Link) -> list[AddressRemoved | LinkChanged]:
        before, self._links[name] = self._links[name], link
        return [] if before.up == link.up else [LinkChanged(name, link.up)]

    def _heard(self) -> list[Message]:
        """The notifications that wait. None of them where the kernel had more to tell than the socket could hold."""
        try:
            return self._watch.heard()
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._unheard = True
            return []

    def _look_anew(self) -> list[AddressRemoved | LinkChanged]:
        """Notifications were lost: compare everything with what was known. What waits is older than this look, and goes. If
        more is lost even meanwhile, some of it still waits, and the next call looks again."""
        self._unheard = False
        self._heard()
        seen: list[AddressRemoved | LinkChanged] = []
        for name in self._links:
            seen += self._link_is(name, self._look(name))
        return seen + self._missing()

    def _is_ours(self, gone: ConfiguredAddress) -> bool:
        return any(
            (entry.index, entry.floating.address) == (gone.index, gone.interface.ip) for entry in self._configured.values()
        )

    def _missing(self) -> list[AddressRemoved | LinkChanged]:
        """Which of ours are not there now; the next `refresh` puts them back.

        The notification alone does not tell: it may be of our own removal, before the address was taken again, and for IPv6
        the kernel does not say whose request it was.
        """
        present = {(found.index, found.interface.ip) for found in self._dump()}
        gone = [name for name, entry in self._configured.items() if (entry.index, entry.floating.address) not in present]
        for name in gone:
            del self._configured[name]
        return [AddressRemoved(name) for name in gone]

    def _dump(self) -> list[ConfiguredAddress]:
        answers = self._netlink.ask(RTM_GETADDR, NLM_F_DUMP, ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        return [configured_address(answer) for answer in answers]

    def _delete(self, index: int, address: IPAddress) -> None:
        try:
            self._netlink.ask(RTM_DELADDR, 0, _body(index, address))
        except OSError as error:
            # It expired, somebody was quicker, or the interface went with all it carried.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise KernelError(f"the kernel will not take {address} away: {error.strerror}") from error

    def _look(self, interface: str) -> Link:
        try:
            found = self._state(interface)
        except KernelError:
            found = None  # an interface that the kernel does not tell of is none to hold addresses on
        return Link(NO_INDEX, up=False) if found is None else Link(found.index, found.up)

    def _index(self, interface: str) -> int:
        found = self._state(interface)
        if found is None:
            raise KernelError(
                f"there is no interface {interface} on this machine; plug it in, or correct `interface` in the inventory"
            )
        return found.index

    def _state(self, interface: str) -> LinkState | None:
        """None where there is no such interface."""
        named = INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, interface)
        try:
            return link_state(self._netlink.ask(RTM_GETLINK, 0, named)[0])
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise KernelError(f"the kernel does not tell of {interface}: {error.strerror}") from error
