"""On this node: read the agent's configuration, the inventory and the keys again, and say what is wrong with them.

SIGHUP does the same without an answer. A mistake, or a step that needs a restart, changes nothing: the agent goes on by what
it read before.
"""

from __future__ import annotations

import argparse

from picluster.cli.local import add_run_dir, tell_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    tell_agent(arguments, do="reload")
    print("reloaded")
    return 0
