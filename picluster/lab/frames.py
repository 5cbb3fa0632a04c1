"""The auditor's frames, as bytes: one question that every machine on the wire hears.

An ordinary client asks whoever its ARP cache points to, and never learns that a second machine would have answered too. The
auditor's frame goes to the Ethernet broadcast address and yet to the floating IP address. Linux hands such a packet up like
any other (`drop_unicast_in_l2_multicast` is off by default), so each machine that has the address answers it, and two
answers to one question are proof.

Formats: Ethernet II; ARP, RFC 826; IPv4, RFC 791, and its checksum, RFC 1071; UDP, RFC 768.
"""

from __future__ import annotations

import ipaddress
import struct

__all__ = ["arp_question", "arp_speaker", "broadcast_request"]

ETHERNET_BROADCAST = b"\xff" * 6
TYPE_IPV4, TYPE_ARP = b"\x08\x00", b"\x08\x06"
ARP = struct.Struct("!HHBBH6s4s6s4s")
ARP_REQUEST, ARP_REPLY = 1, 2
ETHERNET_BYTES = 14
IPV4 = struct.Struct("!BBHHHBBH4s4s")
UDP = struct.Struct("!HHHH")
DONT_FRAGMENT = 0x4000
UDP_PROTOCOL = 17


def broadcast_request(mac: bytes, source: tuple[str, int], target: tuple[str, int], payload_bytes: int) -> bytes:
    """The frame without its payload, which follows it: of a fixed length, so nothing of the head changes."""
    udp_length = UDP.size + payload_bytes
    from_address, to_address = (ipaddress.IPv4Address(host).packed for host, _ in (source, target))
    fields = (0x45, 0, IPV4.size + udp_length, 0, DONT_FRAGMENT, 64, UDP_PROTOCOL)
    checksum = internet_checksum(IPV4.pack(*fields, 0, from_address, to_address))
    # A UDP checksum of zero means that there is none.
    udp = UDP.pack(source[1], target[1], udp_length, 0)
    return ETHERNET_BROADCAST + mac + TYPE_IPV4 + IPV4.pack(*fields, checksum, from_address, to_address) + udp


def arp_question(mac: bytes, source: str, target: str) -> bytes:
    """Who has the target? A frame to everybody."""
    asking, asked = (ipaddress.IPv4Address(host).packed for host in (source, target))
    return ETHERNET_BROADCAST + mac + TYPE_ARP + ARP.pack(1, 0x0800, 6, 4, ARP_REQUEST, mac, asking, bytes(6), asked)


def arp_speaker(frame: bytes, address: str) -> bytes | None:
    """The hardware address that answers for an address in this frame; None where the frame is no answer or about another.

    An announcement in the form of a reply is to everybody, and not an answer to a question.
    """
    if len(frame) < ETHERNET_BYTES + ARP.size or frame[:6] == ETHERNET_BROADCAST:
        return None
    _, _, _, _, operation, speaker, about, _, _ = ARP.unpack_from(frame, ETHERNET_BYTES)
    if operation != ARP_REPLY or about != ipaddress.IPv4Address(address).packed:
        return None
    return bytes(speaker)


def internet_checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
