"""Reboot nodes: all at once, or with --rolling one after the other, so that the floating addresses stay up.

Rolling, those that do not vote go first and whoever holds an address goes last; each one has to be back and heard by a
majority before the next one goes, and where one does not come back, the rest is left as it is. Exit code 0: all are back; 1:
some; 2: none.
"""

from __future__ import annotations

import argparse

from picluster.cli.controlling import (
    Session,
    add_inventory,
    add_limit,
    add_yes,
    alone,
    chosen,
    opened,
    outcome_lines,
    session,
    success,
)
from picluster.cli.watching import confirmed, tell, watcher_for
from picluster.controller.power import reboot_all, reboot_rolling
from picluster.controller.rolling import Rolling


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_inventory(parser)
    add_limit(parser)
    parser.add_argument("--rolling", action="store_true", help="one after the other; the addresses stay up")
    add_yes(parser)


def run(arguments: argparse.Namespace) -> int:
    path, inventory = opened(arguments)
    nodes = chosen(inventory, arguments.limit)
    names = ", ".join(node.name for node in nodes)
    with alone(path, "reboot"), session(path, inventory, watcher_for(nodes)) as opened_session:
        if not confirmed(f"Reboot {names}{cost(opened_session, arguments)}?", arguments):
            tell("nothing was done")
            return 0
        crew = opened_session.crew
        outcomes = reboot_rolling(Rolling(crew, inventory), crew, nodes) if arguments.rolling else reboot_all(crew, nodes)
        opened_session.watcher.leave()
    for line in outcome_lines(outcomes, "is back"):
        print(line)
    return success(outcomes.values())


def cost(opened_session: Session, arguments: argparse.Namespace) -> str:
    """What people should know before they say yes."""
    if arguments.rolling:
        return " one after the other"
    inventory = opened_session.inventory
    staying = [voter for voter in inventory.configuration.voters if arguments.limit and voter not in arguments.limit]
    if len(staying) + inventory.configuration.tie_breaker >= inventory.configuration.majority:
        return ""
    return " at once (the floating addresses are dark meanwhile; --rolling keeps them up)"
