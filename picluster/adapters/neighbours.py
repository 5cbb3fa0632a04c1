"""What is said to the neighbours on a link, and heard from them: ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861),
on raw frames (man 7 packet).

Announcements make neighbours send the address's traffic here at once, instead of after their cache entry has aged. Some
systems believe only gratuitous ARP requests and some only replies, so both are sent (RFC 5944 section 4.6). For IPv6 it is
an unsolicited neighbour advertisement with the override flag (RFC 4861 section 7.2.6).

Listening must not wake the agent of an idle machine, so a filter in the kernel (classic BPF;
Documentation/networking/filter) passes only frames that speak for an address that is held or probed here, and the gateway's
answers. A socket bound to one protocol is not handed the machine's own frames.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from picluster.adapters.filters import JUMP_IF_EQUAL, LOAD_BYTE, LOAD_WORD, PASS, REFUSE, attach, instruction
from picluster.errors import KernelError
from picluster.model.inventory import IPAddress
from picluster.ports import EVERYTHING

__all__ = ["Neighbours", "Speech"]

ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
BROADCAST = b"\xff" * 6
NO_MAC = bytes(6)
ARP = struct.Struct("!HHBBH6s4s6s4s")
"""Hardware and protocol type, their lengths, operation; sender's MAC and address; target's MAC and address."""
ARP_OF_IPV4 = struct.pack("!HHBB", 1, 0x0800, 6, 4)
"""How every ARP message for IPv4 on Ethernet begins."""
ARP_REQUEST, ARP_REPLY = 1, 2
ARP_AT, ARP_SENDER_AT = 14, 28
"""Offsets in an Ethernet frame."""
ICMPV6 = 58
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
OVERRIDE = 0x20000000
SOURCE_MAC, TARGET_MAC = 1, 2
"""Options of neighbour discovery (RFC 4861 section 4.6.1)."""
NEXT_HEADER_AT, TYPE_AT, TARGET_AT = 20, 54, 62
"""Offsets in an Ethernet frame whose IPv6 header ICMPv6 follows; neighbour discovery is never fragmented (RFC 6980)."""
SIOCGIFINDEX = 0x8933
INTERFACE_REQUEST = struct.Struct("=15sxi20x")
"""struct ifreq: the interface's name, its index, and room that is not used (40 bytes; 32 on a 32-bit machine)."""
ALL_NODES = ipaddress.IPv6Address("ff02::1")
MOST_AT_ONCE = 64
"""Frames of one socket that one `heard` reads, so that a flood cannot keep the agent from its lease."""
LOST = (errno.ENETDOWN, errno.ENOBUFS, errno.EAGAIN)
"""Sending failed as a cable fails: the interface is down, or a queue is full. The frame is lost; where the link is, too,
`LinkChanged` tells."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A neighbour said that it has the address."""

    interface: str
    address: IPAddress
    mac: str
    answer: bool
    """Whether it was said to this machine alone, in answer to its question."""


# --- frames -------------------------------------------------------------------------------------------------------------


def ethernet(target: bytes, source: bytes, protocol: int, payload: bytes) -> bytes:
    return target + source + protocol.to_bytes(2, "big") + payload


def arp_frame(operation: int, mac: bytes, sender: bytes, target_mac: bytes, target: bytes) -> bytes:
    """An ARP message to everybody."""
    return ethernet(BROADCAST, mac, ETH_P_ARP, ARP.pack(1, 0x0800, 6, 4, operation, mac, sender, target_mac, target))


def discovery_frame(mac: bytes, source: ipaddress.IPv6Address, target: ipaddress.IPv6Address, message: bytes) -> bytes:
    """A message of neighbour discovery to a multicast group: hop limit 255, checksum as in RFC 8200 section 8.1."""
    pseudo = source.packed + target.packed + struct.pack("!II", len(message), ICMPV6)
    message = message[:2] + _checksum(pseudo + message).to_bytes(2, "big") + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, 255) + source.packed + target.packed
    return ethernet(b"\x33\x33" + target.packed[12:], mac, ETH_P_IPV6, header + message)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _option(kind: int, mac: bytes) -> bytes:
    return bytes([kind, 1]) + mac


def advertisement(mac: bytes, address: ipaddress.IPv6Address) -> bytes:
    """An unsolicited neighbour advertisement with the override flag, to all nodes."""
    message = struct.pack("!BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, OVERRIDE) + address.packed + _option(TARGET_MAC, mac)
    return discovery_frame(mac, address, ALL_NODES, message)


def solicitation(mac: bytes, source: ipaddress.IPv6Address, wanted: ipaddress.IPv6Address) -> bytes:
    """A question for the address, to its solicited-node group (RFC 4291 section 2.7.1).

    From `::` it is the probe of duplicate address detection, which must not carry the asker's MAC (RFC 4862 section 5.4.2).
    """
    group = ipaddress.IPv6Address(int(ipaddress.IPv6Address("ff02::1:ff00:0")) | int(wanted) & 0xFFFFFF)
    option = b"" if source.is_unspecified else _option(SOURCE_MAC, mac)
    message = struct.pack("!BBHI", NEIGHBOUR_SOLICITATION, 0, 0, 0) + wanted.packed + option
    return discovery_frame(mac, source, group, message)


# --- the filter in the kernel -------------------------------------------------------------------------------------------


def _arp_program(addresses: Iterable[IPAddress]) -> bytes:
    """Pass ARP, request or reply, whose sender claims one of these."""
    program = instruction(LOAD_WORD, ARP_SENDER_AT)
    for address in addresses:
        program += instruction(JUMP_IF_EQUAL, int(address), 0, 1) + PASS
    return program + REFUSE


def _discovery_program(addresses: Iterable[IPAddress]) -> bytes:
    """Pass neighbour advertisements whose target is one of these."""
    program = b""
    for at, wanted in ((NEXT_HEADER_AT, ICMPV6), (TYPE_AT, NEIGHBOUR_ADVERTISEMENT)):
        program += instruction(LOAD_BYTE, at) + instruction(JUMP_IF_EQUAL, wanted, 1, 0) + REFUSE
    for address in addresses:
        words = struct.unpack("!4I", address.packed)
        for number, word in enumerate(words):
            # A word that differs jumps over the rest of this address: two instructions a word, and the verdict.
            program += instruction(LOAD_WORD, TARGET_AT + 4 * number)
            program += instruction(JUMP_IF_EQUAL, word, 0, 2 * (len(words) - 1 - number) + 1)
        program += PASS
    return program + REFUSE


# --- sockets ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Line:
    """The raw socket for one protocol on one interface."""

    index: int
    socket: socket.socket
    addresses: set[IPAddress] = field(default_factory=set)

    @property
    def mac(self) -> bytes:
        return bytes(self.socket.getsockname()[4])


class Neighbours:
    """Speaks to the neighbours and hears them, on as many interfaces as need be."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], Line] = {}

    def filenos(self) -> tuple[int, ...]:
        """Readable when `heard` has something."""
        return tuple(line.socket.fileno() for line in self._lines.values())

    def listen(self, interface: str, addresses: Iterable[IPAddress]) -> None:
        """Hear from now on what is said of these addresses, and of no others. Raises KernelError."""
        wanted = set(addresses)
        for version in (4, 6):
            mine = {address for address in wanted if address.version == version}
            line = self._lines.get((interface, version))
            if line is None or not mine <= line.addresses:
                # To hear less, no interface is needed: it may have gone.
                line = self._line(interface, version) if mine else None
            if line is not None and line.addresses != mine:
                self._filter(line, version, mine)

    def announce(self, interface: str, address: IPAddress) -> None:
        """Say once that the address is here. Raises KernelError where there is no such interface."""
        line = self._line(interface, address.version)
        if isinstance(address, ipaddress.IPv6Address):
            self._send(line, advertisement(line.mac, address))
        else:
            self._send(line, arp_frame(ARP_REQUEST, line.mac, address.packed, NO_MAC, address.packed))
            self._send(line, arp_frame(ARP_REPLY, line.mac, address.packed, line.mac, address.packed))

    def ask(self, interface: str, wanted: IPAddress, source: IPAddress) -> None:
        """Ask who has the address; from the unspecified source it is a probe, which leaves no trace in any cache."""
        line = self._line(interface, wanted.version)
        if isinstance(wanted, ipaddress.IPv4Address):
            self._send(line, arp_frame(ARP_REQUEST, line.mac, source.packed, NO_MAC, wanted.packed))
        else:
            self._send(line, solicitation(line.mac, ipaddress.IPv6Address(source), wanted))

    def heard(self, readable: Collection[int] = EVERYTHING) -> list[Speech]:
        """What neighbours have said since the last call; `readable` are the descriptors at which something waits."""
        spoken: list[Speech] = []
        for (interface, version), line in self._lines.items():
            if line.socket.fileno() not in readable:
                continue
            read = _arp_speech if version == 4 else _discovery_speech
            speeches = (read(interface, frame, line.mac) for frame in _waiting(line.socket))
            spoken += [speech for speech in speeches if speech is not None]
        return spoken

    def close(self) -> None:
        for line in self._lines.values():
            line.socket.close()
        self._lines.clear()

    def _line(self, interface: str, version: int) -> Line:
        """The socket, made anew where the interface was replaced by another of the same name."""
        line = self._lines.get((interface, version))
        try:
            if line is not None and line.index == _index(line.socket, interface):
                return line
            fresh = self._open(interface, version, line.addresses if line is not None else set())
        except PermissionError as error:
            raise KernelError(f"may not speak ARP on {interface}: needs CAP_NET_RAW") from error
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise KernelError(f"there is no interface {interface} on this machine to speak on") from error
            raise KernelError(f"the kernel gives no socket to speak on {interface}: {error.strerror}") from error
        if line is not None:
            line.socket.close()
        self._lines[interface, version] = fresh
        return fresh

    def _open(self, interface: str, version: int, addresses: set[IPAddress]) -> Line:
        """Raises OSError. Bound to no protocol at first: nothing arrives before the filter is in place."""
        with ExitStack() as undo:
            raw = undo.enter_context(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
            )
            line = Line(_index(raw, interface), raw)
            self._filter(line, version, addresses)
            # The interface may have gone since, or be another by now, which the next look finds out.
            raw.bind((interface, ETH_P_ARP if version == 4 else ETH_P_IPV6))
            undo.pop_all()
        return line

    @staticmethod
    def _filter(line: Line, version: int, addresses: set[IPAddress]) -> None:
        program = _arp_program if version == 4 else _discovery_program
        attach(line.socket, program(sorted(addresses, key=int)))
        line.addresses = addresses

    @staticmethod
    def _send(line: Line, frame: bytes) -> None:
        try:
            line.socket.send(frame)
        except OSError as error:
            if error.errno not in LOST:
                raise KernelError(f"the frame could not be sent: {error.strerror}") from error


def _index(asking: socket.socket, interface: str) -> int:
    """The interface's index, asked of a socket that there is already (man 7 netdevice): `if_nametoindex` opens one, and does
    not say which of the two failed. Raises OSError(ENODEV) where there is no such interface."""
    answer = fcntl.ioctl(asking, SIOCGIFINDEX, INTERFACE_REQUEST.pack(interface.encode(), 0))
    return int(INTERFACE_REQUEST.unpack(answer)[1])


def _arp_speech(interface: str, frame: bytes, own_mac: bytes) -> Speech | None:
    """None where it is no ARP for IPv4 on Ethernet: the kernel's filter has looked at the sender's address alone."""
    if len(frame) < ARP_AT + ARP.size or not frame.startswith(ARP_OF_IPV4, ARP_AT):
        return None
    _, _, _, _, operation, mac, sender, _, _ = ARP.unpack_from(frame, ARP_AT)
    return Speech(interface, ipaddress.IPv4Address(sender), mac.hex(":"), frame[:6] == own_mac and operation == ARP_REPLY)


def _discovery_speech(interface: str, frame: bytes, own_mac: bytes) -> Speech:
    address = ipaddress.IPv6Address(frame[TARGET_AT : TARGET_AT + 16])
    return Speech(interface, address, frame[6:12].hex(":"), frame[:6] == own_mac)


def _waiting(listener: socket.socket) -> list[bytes]:
    frames: list[bytes] = []
    for _ in range(MOST_AT_ONCE):
        try:
            frames.append(listener.recv(2_048))
        except BlockingIOError:
            break
        except OSError as error:
            # ENETDOWN is reported once, when the interface goes down; what else waits is read in the next turn.
            if error.errno not in LOST:
                raise
            break
    return frames
