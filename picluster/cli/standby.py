"""On this node: hold nothing until told otherwise, and go on voting.

What it holds moves to the others at once. A restart of the agent ends it.
"""

from __future__ import annotations

import argparse

from picluster.cli.local import add_run_dir, tell_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    tell_agent(arguments, do="standby")
    print("on standby; `picluster active` ends it")
    return 0
