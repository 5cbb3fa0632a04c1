"""On this node: take part again after a standby. What moved away stays where it is, unless failback says otherwise."""

from __future__ import annotations

import argparse

from picluster.cli.local import add_run_dir, tell_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    tell_agent(arguments, do="active")
    print("active")
    return 0
