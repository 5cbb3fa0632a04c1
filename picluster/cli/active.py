"""On this node, or on another one by its name: take part again after a standby.

What moved away stays where it is, unless failback says otherwise.
"""

from __future__ import annotations

import argparse

from picluster.cli.local import add_far, add_run_dir, tell_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", nargs="?", help="another one, of the inventory, over SSH")
    add_far(parser)
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    tell_agent(arguments, arguments.node, do="active")
    print("active")
    return 0
