"""Forget by which host key a node is known, since its card was flashed again, or its keys were made anew.

What it offers next is taken for a key that nobody has seen: it is shown to you, and you confirm it. Do this only where you
know why the key is another one; otherwise look at the node itself first, as the refusal says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from picluster.adapters.files import replace_file
from picluster.cli.controlling import add_inventory, alone, chosen, opened
from picluster.controller.secrets import open_secrets
from picluster.trust.known_hosts import KnownHosts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", help="such as pi3")
    add_inventory(parser)


def run(arguments: argparse.Namespace) -> int:
    path, inventory = opened(arguments)
    [node] = chosen(inventory, (arguments.node,))
    with alone(path, "forget-host"):
        forgotten = forget(path, node.name)
    print(f"{node.name} is known by no host key now" if forgotten else f"{node.name} was known by no host key")
    return 0


def forget(path: Path, name: str) -> bool:
    """Out of the cluster's own known_hosts; whether the node was in it."""
    file = open_secrets(path).known_hosts_path
    try:
        known = KnownHosts.parse(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError:
        return False
    left = known.forget(name)
    if left == known:
        return False
    replace_file(file, left.text.encode("utf-8", errors="surrogateescape"))
    return True
