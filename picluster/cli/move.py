"""On the holder: hand a floating address over to another node. A few milliseconds pass in which nobody answers."""

from __future__ import annotations

import argparse

from picluster.cli.local import add_run_dir, tell_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", help="the floating address's name, such as web")
    parser.add_argument("--to", required=True, metavar="NODE", help="who is to hold it")
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    tell_agent(arguments, do="move", address=arguments.address, to=arguments.to)
    print(f"{arguments.address} released for {arguments.to}")
    return 0
