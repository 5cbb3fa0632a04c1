"""What the agents say in the journals of their nodes: of all nodes, or of those that are named, line by line.

With -f it goes on until Ctrl-C. `picluster run --root -- journalctl …` shows everything else that is in a journal.
"""

from __future__ import annotations

import argparse

from picluster.cli.controlling import add_inventory, chosen, opened, session
from picluster.cli.watching import Prefixed
from picluster.controller.running import run_everywhere, worst


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("nodes", nargs="*", metavar="NODE", help="whose (default: all)")
    add_inventory(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is said from now on")
    parser.add_argument("-n", "--lines", type=count, default=50, metavar="N", help="how many of each (default: 50)")


def count(word: str) -> int:
    """A number from 0 on. ValueError, which argparse reports, for what is none."""
    value = int(word)
    if value < 0:
        raise ValueError(word)
    return value


def run(arguments: argparse.Namespace) -> int:
    path, inventory = opened(arguments)
    nodes = chosen(inventory, arguments.nodes)
    with session(path, inventory, Prefixed(nodes)) as opened_session:
        command = journal(arguments.lines, follow=arguments.follow)
        return worst(run_everywhere(opened_session.crew, nodes, command, root=True).values())


def journal(lines: int, *, follow: bool) -> str:
    """The name of the node stands before each line already."""
    options = "--unit=picluster --no-pager --no-hostname --quiet --output=short-precise"
    return f"journalctl {options} --lines={lines}{' --follow' if follow else ''}"
