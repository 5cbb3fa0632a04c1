"""The daemon on each node, in the foreground: holds and hands over floating addresses until it gets SIGTERM or SIGINT.

Its configuration file says which node of which inventory this machine is (docs/inventory.md has every key):

    node = "pi1"
    inventory = "cluster.toml"
    key_file = "cluster.key"

It logs to standard error. SIGHUP, or `reload` on the control socket, reads the inventory again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from picluster.agent.entry import run_agent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("/etc/picluster/agent.toml"), help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    run_agent(arguments.config)
    return 0
