"""The nodes of an inventory: for people, for programs, or as the dynamic inventory of Ansible.

    picluster inventory
    picluster inventory --json
    picluster inventory --ansible                     what Ansible asks for with --list
    picluster inventory --ansible --host pi1          and what it may ask for of one host

Ansible wants a program: an executable file `pis.sh` with two lines, then `ansible -i pis.sh voters -m ping`.

    #!/bin/sh
    exec picluster inventory /path/to/home.toml --ansible "$@"

The groups are voters, witnesses and candidates. docs/inventory.md says what may stand in the file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from picluster.adapters.ssh import Configuration
from picluster.agent.configuration import read_inventory
from picluster.agent.plain import plain
from picluster.cli.controlling import WayIn, chosen, find_inventory, target
from picluster.cli.watching import Quiet
from picluster.controller.ansible import Way, groups_of, listing, variables
from picluster.controller.desk import Desk
from picluster.controller.secrets import open_secrets
from picluster.errors import PiclusterError
from picluster.model.inventory import Inventory, Node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help_text = "a TOML file (default: the only one, here or in inventory/, with its secrets beside it)"
    parser.add_argument("inventory", type=Path, nargs="?", help=help_text)
    parser.add_argument("--json", action="store_true", help="print everything, defaults filled in, as JSON")
    parser.add_argument("--ansible", action="store_true", help="print what Ansible wants to know")
    parser.add_argument("--list", action="store_true", help="with --ansible: all groups and hosts, as without it")
    parser.add_argument("--host", metavar="NODE", help="with --ansible: the variables of one host")


def run(arguments: argparse.Namespace) -> int:
    if (arguments.list or arguments.host) and not arguments.ansible:
        raise PiclusterError("--list and --host are Ansible's; say --ansible too")
    path = find_inventory(arguments.inventory)
    inventory = read_inventory(path)
    if arguments.ansible:
        nodes = chosen(inventory, (arguments.host,) if arguments.host else ())
        ways = ways_into(path, inventory, nodes)
        told = variables(arguments.host, ways[arguments.host]) if arguments.host else listing(inventory, ways)
        print(json.dumps(told, indent=2))
    elif arguments.json:
        print(json.dumps(plain(inventory), indent=2))
    else:
        print("\n".join(table(inventory)))
    return 0


def ways_into(path: Path, inventory: Inventory, nodes: list[Node]) -> dict[str, Way]:
    """As `picluster ssh` gets in: users, ports and jump hosts of ~/.ssh/config are honoured."""
    secrets = open_secrets(path)
    trust = WayIn(inventory, secrets, Desk(Quiet(nodes))).trust
    configuration = Configuration.load()
    ways = {}
    for node in nodes:
        trust.introduce(node.name)
        route = configuration.routes(target(node))[0]
        key_file, known_hosts = secrets.controller_key_path.absolute(), secrets.known_hosts_path.absolute()
        ways[node.name] = Way(route.host, route.port, route.user, str(key_file), str(known_hosts), route.jumps)
    return ways


def table(inventory: Inventory) -> list[str]:
    """A line for each node: where it is, and what it is there for."""
    groups = groups_of(inventory)
    nouns = {"voters": "votes", "witnesses": "witness", "candidates": "may hold"}
    rows = [
        (node.name, where(node), ", ".join(nouns[group] for group, names in groups.items() if node.name in names))
        for node in inventory.nodes
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else [0, 0]
    return [f"{name:<{widths[0]}}  {place:<{widths[1]}}  {duties}".rstrip() for name, place, duties in rows]


def where(node: Node) -> str:
    host = f"{node.name}.local" if node.address is None else str(node.address)
    return f"{node.access.user}@{host}" + (f" port {node.access.port}" if node.access.port != 22 else "")
