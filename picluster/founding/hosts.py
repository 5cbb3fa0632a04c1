"""Machines on the network, put together from what was heard of them; and which of them are Pis.

A Pi is known by the first half of its MAC, which belongs to its maker (the IEEE's registry); one with an Ethernet adapter on
USB is not. So that is a hint, and so is everything that mDNS says: here it is made fit for a terminal, and no more of it is
believed than a person can check.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from picluster.discovery.records import SERVICE_TYPE, decode_text, read
from picluster.model.inventory import Inventory, Role
from picluster.model.sighting import Sighting
from picluster.model.surroundings import Neighbour, Service

__all__ = ["KINDS", "Host", "Standing", "gathered", "is_pi", "known_as", "standing"]

AGENT = SERVICE_TYPE.removesuffix(".local.")
KINDS = ("_workstation._tcp", "_ssh._tcp", AGENT)
"""What a fresh Raspberry Pi OS says by itself (avahi, `publish-workstation`), what others say that take SSH, and agents."""
MAKERS = (
    *("28:cd:c1", "2c:cf:67", "88:a2:9e", "98:fe:54", "b8:27:eb", "d8:3a:dd", "dc:a6:32", "e4:5f:01"),
    *("f0:40:af:9", "8c:1f:64:34:a"),
)
"""Raspberry Pi's blocks in the registries MA-L, MA-M and MA-S, as MACs begin that are from them."""
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
MAC = re.compile(r"\[((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\]$", re.IGNORECASE)
"""How avahi ends the name of a workstation."""
WORD = re.compile(r"[\w .,:+/()-]{1,64}", re.ASCII)
MODEL = "Raspberry Pi"


class Standing(enum.Enum):
    """What a machine is to a cluster."""

    FRESH = "fresh"
    """No agent speaks for it."""
    OURS = "ours"
    """An agent of this cluster runs on it."""
    FOREIGN = "foreign"
    """An agent of another cluster does."""


@dataclass(frozen=True, slots=True)
class Host:
    """One machine. What is not known is empty."""

    name: str = ""
    """`pi1`, without `.local`."""
    addresses: tuple[str, ...] = ()
    mac: str = ""
    model: str = ""
    serial: str = ""
    agent: Sighting | None = None

    @property
    def address(self) -> str:
        """The first of IPv4, or else the first."""
        return next((host for host in self.addresses if "." in host), next(iter(self.addresses), ""))


def is_pi(host: Host) -> bool:
    return host.mac.startswith(MAKERS) or host.model.startswith(MODEL)


def standing(host: Host, cluster: str) -> Standing:
    """`cluster` is the name of ours; empty where there is none."""
    if host.agent is None:
        return Standing.FRESH
    return Standing.OURS if host.agent.cluster == cluster else Standing.FOREIGN


def known_as(host: Host, inventory: Inventory) -> str:
    """The node of the inventory that it is or will be: by its agent's word, its serial number, its address or its name."""
    if host.agent is not None and host.agent.cluster == inventory.cluster:
        return host.agent.node
    for node in inventory.nodes:
        same_serial = bool(host.serial) and host.serial == node.serial
        if same_serial or str(node.address) in host.addresses or node.name == host.name:
            return node.name
    return ""


def gathered(services: Iterable[Service], neighbours: Sequence[Neighbour]) -> tuple[Host, ...]:
    """Every machine once, by name. Those of the neighbour table that nothing else was heard of are there if they are Pis."""
    hosts: list[Host] = []
    for service in services:
        host = _heard(service)
        if host is None:
            continue
        same = [one for one in hosts if one.name == host.name != "" or not set(one.addresses).isdisjoint(host.addresses)]
        for one in same:
            hosts.remove(one)
            host = _merged(one, host)
        hosts.append(host)
    macs = {str(one.address): one.mac for one in neighbours}
    hosts = [replace(one, mac=one.mac or _first(macs, one.addresses)) for one in hosts]
    known = {address for one in hosts for address in one.addresses}
    silent = (Host(addresses=(str(one.address),), mac=one.mac) for one in neighbours if str(one.address) not in known)
    hosts += [host for host in silent if is_pi(host)]
    return tuple(sorted(hosts, key=lambda host: (not host.name, host.name, host.addresses)))


def _heard(service: Service) -> Host | None:
    """What one service says of its machine; None where it says nothing that can be used."""
    addresses = tuple(dict.fromkeys(filter(_is_address, service.addresses)))
    if service.kind == AGENT:
        agent = read(service.text, service.port, addresses)
        # An observer is somebody who looks on, on any machine. The host's name is made up for this one run, and says
        # nothing of the machine.
        return None if agent is None or agent.role is Role.OBSERVER else Host(addresses=addresses, agent=agent)
    name = service.host.lower().removesuffix(".local")
    if not LABEL.fullmatch(name):
        return None
    mac = MAC.search(service.instance)
    pairs = decode_text(service.text) or {}
    model, serial = pairs.get("model", ""), pairs.get("serial", "").lower()
    return Host(name, addresses, mac[1].lower() if mac else "", _word(model), _word(serial))


def _is_address(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


def _word(text: str) -> str:
    return text if WORD.fullmatch(text) else ""


def _merged(one: Host, other: Host) -> Host:
    return Host(
        name=one.name or other.name,
        addresses=tuple(dict.fromkeys((*one.addresses, *other.addresses))),
        mac=one.mac or other.mac,
        model=one.model or other.model,
        serial=one.serial or other.serial,
        agent=one.agent or other.agent,
    )


def _first(macs: dict[str, str], addresses: Iterable[str]) -> str:
    return next((macs[address] for address in addresses if address in macs), "")
