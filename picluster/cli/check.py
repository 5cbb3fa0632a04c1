"""Check an inventory, and say what it means: who votes, who may hold what, how long an outage lasts, what it costs.

All mistakes of the file are reported at once, each with its line and how to mend it. Exit code 0: good; 2: mistakes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from picluster.agent.configuration import read_inventory
from picluster.agent.plain import plain
from picluster.model.inventory import Inventory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inventory", type=Path, help="the inventory, a TOML file")
    parser.add_argument("--json", action="store_true", help="print everything, defaults filled in, as JSON")


def run(arguments: argparse.Namespace) -> int:
    inventory = read_inventory(arguments.inventory)
    print(json.dumps(plain(inventory), indent=2) if arguments.json else meaning(inventory))
    return 0


def meaning(inventory: Inventory) -> str:
    """The inventory in a few sentences."""
    configuration = inventory.configuration
    timing, voters = configuration.timing, configuration.voters
    gateway = ", and the gateway breaks a tie" if configuration.tie_breaker else ""
    may_fail = len(voters) + configuration.tie_breaker - configuration.majority
    lines = [
        f"{inventory.cluster}, epoch {configuration.epoch}: {len(inventory.nodes)} nodes, {', '.join(inventory.node_names)}",
        f"{len(voters)} vote ({', '.join(voters)}{gateway}); {configuration.majority} are needed, so {may_fail} may fail",
    ]
    for floating in configuration.addresses:
        names = floating.candidate_names
        failback = "; returns to the preferred one" if floating.failback else ""
        cost = timing.datagrams_per_second(len(voters), len(set(names).difference(voters)))
        where = f"{floating.name}: {floating.address} on {floating.interface}"
        lines.append(f"{where}, held by one of {', '.join(names)}{failback}; costs {cost:.0f} datagrams a second")
    expected, longest = timing.expected_outage_ms(), timing.longest_outage_ms()
    lines.append(
        f"after a power cut an address answers again in {expected:.0f} ms on average, {longest:.0f} ms at the longest"
    )
    return "\n".join(lines)
