"""What is proposed for a new inventory: from this machine's own way out, and from the machines that were found around it."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from picluster.founding.draft import Draft, NewAddress, NewNode, high_addresses
from picluster.founding.hosts import Host, Standing, is_pi, standing
from picluster.model.surroundings import Uplink

__all__ = ["FEWEST", "free_address", "fresh_pis", "nodes_of", "proposed"]

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


def free_address(uplink: Uplink | None, taken: Collection[str]) -> tuple[ipaddress.IPv4Address, ...]:
    """Candidates for the floating address, best first; none where the network is not known."""
    if uplink is None:
        return ()
    known = {*taken, str(uplink.address.ip), str(uplink.gateway)}
    return high_addresses(str(uplink.address.network), tuple(known), CANDIDATES)


def proposed(cluster: str, uplink: Uplink | None, hosts: Sequence[Host], floating: str, time_zone: str) -> Draft:
    """Everything that a person need not type; `floating` is an address that nobody has, or empty."""
    nodes = nodes_of(fresh_pis(hosts)) or tuple(NewNode(f"pi{number}") for number in range(1, FEWEST + 1))
    draft = Draft(cluster, nodes=nodes, time_zone=time_zone)
    if floating:
        draft = replace(draft, addresses=(NewAddress("web", floating, "nobody had it when this was written"),))
    if uplink is None:
        return draft
    return replace(draft, subnet=str(uplink.address.network), gateway=str(uplink.gateway))
