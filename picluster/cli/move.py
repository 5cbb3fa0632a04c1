"""Hand a floating address over to another node. A few milliseconds pass in which nobody answers.

picluster move web --to pi3                        on the holder itself
picluster move web --to pi3 -i inventory/home.toml from anywhere: it finds the holder, and asks there
"""

from __future__ import annotations

import argparse

from picluster.cli.local import add_far, add_run_dir, tell_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", help="the floating address's name, such as web")
    parser.add_argument("--to", required=True, metavar="NODE", help="who is to hold it")
    add_far(parser)
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    holder = None
    if arguments.inventory is not None:
        from picluster.cli.node import holder_of  # noqa: PLC0415  SSH is loaded where it is wanted

        holder = holder_of(arguments)
    tell_agent(arguments, holder, do="move", address=arguments.address, to=arguments.to)
    print(f"{arguments.address} released for {arguments.to}")
    return 0
