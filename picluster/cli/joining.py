"""What verbs share that join a running cluster as an observer."""

from __future__ import annotations

import argparse
import ipaddress
from pathlib import Path

from picluster.agent.configuration import read_inventory, read_keyring
from picluster.agent.entry import open_observer
from picluster.agent.observer import Observer


def add_cluster(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument("inventory", type=Path, nargs="?" if optional else None, help="the cluster's inventory, a TOML file")
    parser.add_argument(
        "--key-file", type=Path, help="the cluster's key (default: NAME.secrets/cluster.key, or NAME.key, beside NAME.toml)"
    )
    parser.add_argument(
        "--host", type=address, action="append", default=[], help="listen and announce on this own address only"
    )


def address(word: str) -> str:
    """In the one spelling that addresses of this machine are compared in. ValueError, which argparse reports, for what is
    none."""
    return str(ipaddress.ip_address(word))


def join(arguments: argparse.Namespace) -> Observer:
    path: Path = arguments.inventory
    inventory = read_inventory(path)
    keyring = read_keyring(arguments.key_file or key_beside(path))
    return open_observer(inventory, keyring, arguments.host)


def key_beside(inventory: Path) -> Path:
    """Where `picluster new` puts the cluster's key; or, where a key was made by hand, beside the inventory."""
    by_hand = inventory.with_suffix(".key")
    return by_hand if by_hand.exists() else inventory.with_suffix(".secrets") / "cluster.key"
