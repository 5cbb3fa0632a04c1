"""What is proposed for a new inventory: from this machine's own way out, and from the machines that were found around it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace

from picluster.founding.draft import Draft, NewAddress, NewNode, high_addresses
from picluster.founding.hosts import Host, Standing, is_pi, standing
from picluster.founding.questions import FLOATING_NAME
from picluster.model.surroundings import Uplink

__all__ = ["FEWEST", "free_addresses", "fresh_pis", "nodes_of", "proposed", "with_address"]

FEWEST = 3
"""Nodes that are proposed where no Pi was found: the smallest stack that survives the loss of any one."""
CANDIDATES = 12
"""Addresses that are looked at for a floating one."""
UNNAMED = ("raspberrypi", "localhost", "")
"""Host names that say nothing: an image's own."""


def fresh_pis(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """Those that are surely Pis and belong to no cluster yet."""
    return tuple(host for host in hosts if is_pi(host) and standing(host, "") is Standing.FRESH)


def nodes_of(pis: Sequence[Host]) -> tuple[NewNode, ...]:
    """A node for each. One that has a name of its own is found by it; one that has not gets one, and its address with it."""
    names = [host.name for host in pis]
    own = {name for name in names if name not in UNNAMED and names.count(name) == 1}
    numbers = (name for number in range(1, 1_000) if (name := f"pi{number}") not in own)
    nodes = []
    for host in pis:
        if host.name in own:
            nodes.append(NewNode(host.name, serial=host.serial))
        else:
            remark = f"MAC {host.mac} when it was found" if host.mac else ""
            nodes.append(NewNode(next(numbers), host.address, serial=host.serial, remark=remark))
    return tuple(nodes)


def free_addresses(draft: Draft, uplink: Uplink | None, hosts: Iterable[Host]) -> tuple[ipaddress.IPv4Address, ...]:
    """Candidates for the floating address, the best first, without those that somebody is known to have; none where the
    draft's network is not known."""
    taken = {address for host in hosts for address in host.addresses}
    taken |= {draft.gateway, *(node.address for node in draft.nodes)}
    if uplink is not None:
        taken |= {str(uplink.address.ip), str(uplink.gateway)}
    return high_addresses(draft.subnet, tuple(taken), CANDIDATES)


def with_address(draft: Draft, address: ipaddress.IPv4Address, remark: str) -> Draft:
    return replace(draft, addresses=(NewAddress(FLOATING_NAME, str(address), remark),))


def proposed(cluster: str, uplink: Uplink | None, hosts: Sequence[Host], time_zone: str) -> Draft:
    """Everything that a person need not type, but for the floating address."""
    nodes = nodes_of(fresh_pis(hosts)) or tuple(NewNode(f"pi{number}") for number in range(1, FEWEST + 1))
    draft = Draft(cluster, nodes=nodes, time_zone=time_zone)
    if uplink is None:
        return draft
    return replace(draft, subnet=str(uplink.address.network), gateway=str(uplink.gateway))
