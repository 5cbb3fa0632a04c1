"""What verbs share that speak to an agent through its control socket: to the one of this machine, or to another over SSH."""

from __future__ import annotations

import argparse
from pathlib import Path

from picluster.adapters.control import ask
from picluster.agent.plain import Plain

RUN_DIR = Path("/run/picluster")


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run-dir", type=Path, default=RUN_DIR, help="where the agent's control socket is (default: %(default)s)"
    )


def add_far(parser: argparse.ArgumentParser) -> None:
    help_text = "the inventory, for a node that is not this one (default: the only one with its secrets beside it)"
    parser.add_argument("-i", "--inventory", type=Path, metavar="FILE", help=help_text)


def tell_agent(arguments: argparse.Namespace, node: str | None = None, **request: str) -> dict[str, Plain]:
    """The answer. `node` is another one, of the inventory that is named."""
    if node is not None:
        from picluster.cli.node import ask_there  # noqa: PLC0415  SSH is loaded where it is wanted: agents' nodes need none

        return ask_there(arguments, node, **request)
    run_dir: Path = arguments.run_dir
    return ask(run_dir, request)
