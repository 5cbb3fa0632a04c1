"""From the text of an inventory to its value, or to all of its mistakes.

Reading never stops at a mistake: each section is read with its defaults in place of what is wrong, then checked against the
others. Only a text that is no TOML ends it early.
"""

from __future__ import annotations

from picluster.inventory.access import read_access
from picluster.inventory.addresses import check_unique_addresses, read_addresses
from picluster.inventory.failover import read_timing
from picluster.inventory.keys import KEYS
from picluster.inventory.network import read_network
from picluster.inventory.nodes import read_nodes
from picluster.inventory.quorum import read_quorum
from picluster.inventory.reader import Findings, Table, check_name
from picluster.inventory.syntax import parse, plain
from picluster.inventory.system import read_system
from picluster.model.inventory import Configuration, Inventory

HIGHEST_EPOCH = 2**32 - 1


def load(text: str, source: str) -> Inventory:
    """The inventory that the text describes; `source` is the file's name as the user knows it.

    Raises InventoryError with every mistake of the text, in the order of their lines.
    """
    text = plain(text)
    findings = Findings(source, text, KEYS)
    root = Table(findings, parse(text, source))
    inventory = _read(root)
    findings.raise_if_any()
    return inventory


def _read(root: Table) -> Inventory:
    name, epoch = _read_cluster(root.section("cluster"))
    network = read_network(root.section("network"))
    node_sections = root.named_sections("nodes", "pi1")
    address_sections = root.named_sections("addresses", "web")
    nodes = read_nodes(node_sections, network, read_access(root.section("access")), root)
    floating = read_addresses(address_sections, network, nodes)
    check_unique_addresses(
        {name: (node, node_sections[name]) for name, node in nodes.items()},
        {address.name: (address, address_sections[address.name]) for address in floating},
        network.gateway,
    )
    voters, tie_breaker = read_quorum(root.section("quorum"), nodes, network, epoch)
    timing = read_timing(root.section("failover"))
    configuration = Configuration(epoch, voters, floating, timing, tie_breaker)
    system = read_system(root.section("system"))
    return Inventory(name, tuple(nodes.values()), configuration, network.subnet, network.gateway, system)


def _read_cluster(section: Table) -> tuple[str, int]:
    name = section.text("name", '"home"', required=True)
    if name is not None:
        check_name(section.findings, (*section.path, "name"), name)
    return name or "", section.whole("epoch", 1, HIGHEST_EPOCH, 1)
