"""Shut nodes down, all or some, so that their plugs may be pulled: those that hold an address last.

It comes back when none of them answers any more. Their cards have been written to the end when their green lamps have
stopped blinking, some seconds later. Exit code 0: all are down; 1: some; 2: none.
"""

from __future__ import annotations

import argparse

from picluster.cli.controlling import (
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
from picluster.controller.health import judge
from picluster.controller.power import shut_down
from picluster.controller.rolling import Rolling, holders_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_inventory(parser)
    add_limit(parser)
    add_yes(parser)


def run(arguments: argparse.Namespace) -> int:
    path, inventory = opened(arguments)
    nodes = chosen(inventory, arguments.limit)
    names = ", ".join(node.name for node in nodes)
    if not confirmed(f"Shut down {names}? They have to be switched on by hand.", arguments):
        tell("nothing was done")
        return 0
    with alone(path, "shutdown"), session(path, inventory, watcher_for(nodes)) as opened_session:
        crew = opened_session.crew
        holders = holders_of(judge(inventory, Rolling(crew, inventory).accounts()))
        outcomes = shut_down(crew, inventory, nodes, holders)
        opened_session.watcher.leave()
    for line in outcome_lines(outcomes, "is down"):
        print(line)
    return success(outcomes.values())
