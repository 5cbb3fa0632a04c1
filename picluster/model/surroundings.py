"""What a machine finds around itself on its network, as it was told: nothing of it is proven, and anybody may have said
it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

__all__ = ["Neighbour", "Service", "Uplink"]


@dataclass(frozen=True, slots=True)
class Service:
    """A service that was announced by mDNS."""

    kind: str
    """`_workstation._tcp`."""
    instance: str
    """`pi1 [dc:a6:32:01:02:03]`, without its kind."""
    host: str
    """`pi1.local`."""
    addresses: tuple[str, ...]
    """Without those that are valid on one link only."""
    port: int
    text: bytes = b""
    """The data of its TXT record."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A machine that has answered on a link: an entry of the kernel's neighbour table."""

    address: ipaddress.IPv4Address
    mac: str
    """`dc:a6:32:01:02:03`."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """The machine's own way out: the interface that its default route leads over."""

    interface: str
    address: ipaddress.IPv4Interface
    """Its own, with the length of the prefix."""
    gateway: ipaddress.IPv4Address
