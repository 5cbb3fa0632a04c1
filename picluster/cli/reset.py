"""Take away from a node everything that picluster brought there, and put back what stood in its place; nothing else.

It asks first. It refuses where a majority of the voters needs this one, unless --force is given. The node stays in the
inventory, so `picluster up` would bring everything back.
"""

from __future__ import annotations

import argparse

from picluster.cli.controlling import (
    add_inventory,
    add_yes,
    alone,
    chosen,
    opened,
    session,
    who,
)
from picluster.cli.watching import confirmed, tell, watcher_for
from picluster.controller.crew import Crew
from picluster.controller.health import spared
from picluster.controller.rolling import Rolling
from picluster.controller.shell import Shell
from picluster.controller.talking import Applied, undo
from picluster.controller.up import STEPS_S
from picluster.errors import PiclusterError
from picluster.model.inventory import Inventory, Node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", help="such as pi3")
    add_inventory(parser)
    parser.add_argument("--force", action="store_true", help="even where a majority needs it, and all addresses go dark")
    add_yes(parser)


def run(arguments: argparse.Namespace) -> int:
    path, inventory = opened(arguments)
    [node] = nodes = chosen(inventory, (arguments.node,))
    with alone(path, "reset"), session(path, inventory, watcher_for(nodes)) as opened_session:
        crew = opened_session.crew
        if not arguments.force:
            refuse_to_break(crew, inventory, node)
        opened_session.watcher.leave()
        if not confirmed(f"Take everything of picluster away from {node.name}?", arguments):
            tell("nothing was done")
            return 0

        def task(one: Node, shell: Shell) -> Applied:
            return undo(shell, one.name, who(), crew.desk.tell)

        outcome = crew.each(nodes, task, STEPS_S, "taking away")[node.name]
        opened_session.watcher.leave()
    if outcome.failure is not None:
        tell(f"{node.name}: {outcome.failure}")
        return 2
    print(f"{node.name} is as it was before, after {outcome.took_s:.1f} s")
    return 0


def refuse_to_break(crew: Crew, inventory: Inventory, node: Node) -> None:
    if node.name not in inventory.configuration.voters:
        return
    why_not = spared(inventory, Rolling(crew, inventory).accounts(), [node.name])
    if why_not:
        raise PiclusterError(f"{why_not}, so every floating address would go dark. --force does it all the same")
