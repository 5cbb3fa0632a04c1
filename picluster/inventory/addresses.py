"""The sections `[addresses.NAME]`: which addresses float, and which nodes may hold them."""

from __future__ import annotations

from collections.abc import Mapping

from picluster.inventory.network import Network, read_interface
from picluster.inventory.reader import Table, quoted, suggestion
from picluster.model.inventory import Candidate, FloatingAddress, IPAddress, Node, Role

HIGHEST_PRIORITY = 1_000


def read_addresses(
    sections: Mapping[str, Table], network: Network, nodes: Mapping[str, Node]
) -> tuple[FloatingAddress, ...]:
    """All floating addresses that are right so far, in the order of the file."""
    found = (_read_floating(name, section, network, nodes) for name, section in sections.items())
    return tuple(floating for floating in found if floating is not None)


def _read_floating(name: str, section: Table, network: Network, nodes: Mapping[str, Node]) -> FloatingAddress | None:
    address = section.address("address", _example(network), required=True)
    candidates = _read_candidates(section, nodes)
    interface = read_interface(section, network.interface)
    failback = section.flag("failback", default=False)
    if address is None or not network.accepts_floating(section, "address", address):
        return None
    return FloatingAddress(name, address, interface, candidates, failback)


def _example(network: Network) -> str:
    large = network.subnet is not None and network.subnet.num_addresses > 200
    return str(network.subnet[200]) if large and network.subnet is not None else "192.168.1.200"


def _read_candidates(section: Table, nodes: Mapping[str, Node]) -> tuple[Candidate, ...]:
    members = tuple(name for name, node in nodes.items() if node.role is Role.MEMBER)
    named = section.names("candidates")
    names = members if named is None else named
    _check_candidates(section, names, nodes, members)
    priorities = section.numbers("priorities", 0, HIGHEST_PRIORITY, "{ pi1 = 200 }; every other candidate has 100")
    for name in priorities:
        if name not in nodes:
            section.add("priorities", f"{quoted(name)} names no node", suggestion(name, names))
        elif name not in names:
            section.add("priorities", f"{name} is not a candidate", f"Add {name} to candidates, or leave its priority out")
    return tuple(Candidate(name, priorities[name]) if name in priorities else Candidate(name) for name in names)


def _check_candidates(section: Table, names: tuple[str, ...], nodes: Mapping[str, Node], members: tuple[str, ...]) -> None:
    if not names and nodes:
        section.add("candidates", "nobody may hold this address", "Name at least one node that is not a witness; better two")
    for name in names:
        if name not in nodes:
            section.add("candidates", f"{quoted(name)} names no node", suggestion(name, members))
        elif nodes[name].role is Role.WITNESS:
            wrong = f"{name} is a witness: it votes and never holds an address"
            section.add("candidates", wrong, f'Leave {name} out, or delete role = "witness" in [nodes.{name}]')


def check_unique_addresses(
    nodes: Mapping[str, tuple[Node, Table]], floating: Mapping[str, tuple[FloatingAddress, Table]], gateway: IPAddress | None
) -> None:
    """Two owners of one IP address: the error that takes longest to find by its symptoms.

    Nodes on a loopback address may share it under different ports, as in a lab on one machine. A node may be the gateway.
    """
    mend = "Give each its own address; for a node you may leave the key out, mDNS finds it"
    owners: dict[tuple[IPAddress, int], str] = {}
    for name, (node, section) in nodes.items():
        if node.address is None:
            continue
        place = (node.address, node.port if node.address.is_loopback else 0)
        if place in owners:
            section.add("address", f"{node.address} belongs to {owners[place]} already", mend)
        owners.setdefault(place, f"node {name}")
    if gateway is not None:
        owners.setdefault((gateway, 0), "the gateway")
    for name, (address, section) in floating.items():
        place = (address.address, 0)
        if place in owners:
            wrong = f"{address.address} belongs to {owners[place]} already"
            section.add("address", wrong, "A floating address is one on top of those that machines have: write a free one")
        owners.setdefault(place, f"floating address {name}")
