"""On this node, or on another one by its name: hold nothing until told otherwise, and go on voting.

What it holds moves to the others at once. A restart of the agent ends it.
"""

from __future__ import annotations

import argparse

from picluster.cli.local import add_far, add_run_dir, tell_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", nargs="?", help="another one, of the inventory, over SSH")
    add_far(parser)
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    tell_agent(arguments, arguments.node, do="standby")
    print("on standby; `picluster active` ends it")
    return 0
