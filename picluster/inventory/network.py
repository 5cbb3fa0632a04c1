"""The section `[network]`: what all nodes share, and which addresses fit into it.

The subnet stands for one family, IPv4 or IPv6. A node's address and the gateway's have to be inside it. So has a floating
address of the same family; an IPv6 floating address may stand beside an IPv4 subnet, since Pis have IPv6 prefixes from their
router's advertisements, which an inventory need not know.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from picluster.inventory.reader import Table, quoted
from picluster.model.inventory import DEFAULT_PORT, IPAddress, IPNetwork

DEFAULT_INTERFACE = "eth0"
INTERFACE = re.compile(r"[^\s/:]{1,15}")
"""What Linux takes for an interface's name (net/core/dev.c, dev_valid_name): under 16 bytes, no blank, slash or colon."""
EXAMPLE_HOST = "192.168.1.11"


@dataclass(frozen=True, slots=True)
class Network:
    """The section's values."""

    subnet: IPNetwork | None
    gateway: IPAddress | None
    interface: str
    port: int
    names_gateway: bool = False
    """Whether the key is there at all, right or wrong."""

    @property
    def example_host(self) -> str:
        """An address as it could stand in this inventory, for sentences that say how to mend one."""
        if self.subnet is None or self.subnet.num_addresses <= 16:
            return EXAMPLE_HOST
        return str(self.subnet[11])

    def accepts(self, section: Table, key: str, address: IPAddress) -> bool:
        """Whether one machine can have the address here. Notes why not."""
        return _is_unicast(section, key, address) and (self.subnet is None or _fits(section, key, address, self.subnet))

    def accepts_floating(self, section: Table, key: str, address: IPAddress) -> bool:
        """Whether the address can move between the nodes here. Notes why not."""
        if address.is_loopback or address.is_link_local:
            what = "a loopback address, which no other machine reaches" if address.is_loopback else "valid on one link only"
            section.add(
                key, f"{address} is {what}", "Write a free address of the subnet, outside the range that DHCP gives away"
            )
            return False
        if self.subnet is not None and self.subnet.version == 4 and address.version == 6:
            return _is_unicast(section, key, address)
        return self.accepts(section, key, address)


def read_network(section: Table) -> Network:
    interface, port = read_interface(section, DEFAULT_INTERFACE), section.whole("port", 1, 65_535, DEFAULT_PORT)
    without_gateway = Network(_read_subnet(section), None, interface, port, "gateway" in section)
    gateway = section.address("gateway", "192.168.1.1")
    if gateway is None or not without_gateway.accepts(section, "gateway", gateway):
        return without_gateway
    return replace(without_gateway, gateway=gateway)


def read_interface(section: Table, default: str) -> str:
    found = section.text("interface", quoted(default))
    if found is None:
        return default
    if not INTERFACE.fullmatch(found) or found in {".", ".."} or len(found.encode()) > 15:
        section.add(
            "interface", f"{quoted(found)} is no interface name", 'Write one that "ip link" shows, such as "eth0" or "wlan0"'
        )
    return found


def _read_subnet(section: Table) -> IPNetwork | None:
    example = '"192.168.1.0/24"'
    found = section.text("subnet", example)
    if found is None:
        return None
    try:
        # (A zone, `%eth0`, is for addresses; ipaddress would carry it along.)
        interface = ipaddress.ip_interface("" if "%" in found else found)
    except ValueError:
        section.add("subnet", f"{quoted(found)} is no subnet", f"Write one such as {example}")
        return None
    if "/" not in found:
        section.add(
            "subnet",
            f"{quoted(found)} lacks its prefix length",
            f"Write one such as {example}; a home network has mostly /24",
        )
        return None
    if interface.ip != interface.network.network_address:
        section.add("subnet", f"{quoted(found)} is an address within a subnet", f"Write {quoted(str(interface.network))}")
    return interface.network


def _is_unicast(section: Table, key: str, address: IPAddress) -> bool:
    """One machine's address: not everybody's, not nobody's."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None:
        section.add(key, f"{address} is an IPv4 address in the clothes of IPv6", f"Write {quoted(str(mapped))}")
    elif address.is_multicast:
        section.add(key, f"{address} is a multicast address", "Write an address that one machine can have")
    elif address.is_unspecified or address == ipaddress.IPv4Address("255.255.255.255"):
        section.add(key, f"{address} is nobody's address", "Write an address that one machine can have")
    else:
        return True
    return False


def _fits(section: Table, key: str, address: IPAddress, subnet: IPNetwork) -> bool:
    if address.version != subnet.version:
        wrong = f"{address} is an IPv{address.version} address, but network.subnet {subnet} is IPv{subnet.version}"
        section.add(key, wrong, f"Write an address of {subnet}, or make network.subnet an IPv{address.version} one")
    elif address not in subnet:
        wrong = f"{address} is outside network.subnet {subnet}"
        section.add(
            key,
            wrong,
            f"Write an address of that subnet, such as {subnet[subnet.num_addresses // 2]}, or mend network.subnet",
        )
    elif subnet.num_addresses > 2 and address == subnet[0]:
        what = (
            "stands for the subnet itself"
            if subnet.version == 4
            else "belongs to every router of the subnet (RFC 4291 section 2.6.1)"
        )
        section.add(key, f"{address} {what}", f"Write a higher one, such as {subnet[2]}")
    elif subnet.num_addresses > 2 and subnet.version == 4 and address == subnet[-1]:
        section.add(key, f"{address} is the broadcast address of {subnet}", f"Write a lower one, such as {subnet[-2]}")
    else:
        return True
    return False
