"""Make a cluster key: the secret that seals what the nodes say to each other. The same file goes to every node.

    picluster key home.key                  make one: mode 0600, and never overwritten
    picluster key rotate                    change that of a running cluster, over SSH and without a gap
    picluster key rotate inventory/home.toml

`rotate` has every node believe the new key before anybody seals with it. It needs all nodes, and stops where one is not
reached; run it again, and it goes on (docs/life.md). By hand the same takes three steps. After each, copy the file to every
node and send the agents SIGHUP, before you take the next:

    --rotate add     a new key as the second line: everybody believes it, nobody uses it yet
    --rotate swap    the new key goes first: it seals from now on, and both are believed
    --rotate drop    the second line, the old key, goes
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from picluster.agent.configuration import read_keyring
from picluster.controller.dispatch import Dispatch
from picluster.controller.rotation import REMARKS, KeyFile, Rotation
from picluster.controller.secrets import open_secrets
from picluster.errors import PiclusterError
from picluster.wire import Keyring

STEPS = ("add", "swap", "drop")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, help="where to write it, such as inventory/home.key; or the word rotate (./rotate is a file)"
    )
    parser.add_argument("inventory", type=Path, nargs="?", help="with rotate: of which cluster (default: the only one)")
    parser.add_argument("--rotate", choices=STEPS, metavar="STEP", help="change the key that is there: add, swap, or drop")
    parser.add_argument("-y", "--yes", action="store_true", help="with rotate: do not ask before anything is done")


def run(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
    if str(path) == "rotate" and not arguments.rotate:
        return rotate_everywhere(arguments)
    if arguments.inventory is not None:
        raise PiclusterError(f"what is {arguments.inventory} for? An inventory goes with `picluster key rotate` alone")
    if arguments.rotate:
        rotate(path, arguments.rotate)
    else:
        write_new(path, Keyring.fresh())
    first, *second = (known.hex() for known in read_keyring(path).ids)
    print(f"{path}: key {first} seals" + "".join(f", and {known} is believed, too" for known in second))
    return 0


def rotate(path: Path, step: str) -> None:
    """Take one step; the file is replaced as a whole. Raises PiclusterError where it is not the turn of this one."""
    keys = [key.hex() for key in read_keyring(path).keys]
    if step == "add" and len(keys) > 1:
        raise PiclusterError(
            f"{path} has two keys already; go on with --rotate swap, or with --rotate drop if they are swapped"
        )
    if step != "add" and len(keys) == 1:
        raise PiclusterError(f"{path} has only one key; begin with --rotate add")
    comment, fresh = Keyring.fresh().splitlines()
    following = {"add": [*keys, fresh], "swap": keys[::-1], "drop": keys[:1]}[step]
    remark = [REMARKS[step]] if step in REMARKS else []
    replacement = path.with_name(f"{path.name}.new")
    replacement.unlink(missing_ok=True)  # a run that was cut here has left one that nobody has seen
    write_new(replacement, "\n".join([comment, *remark, *following]) + "\n")
    replacement.replace(path)


def rotate_everywhere(arguments: argparse.Namespace) -> int:
    """All three steps, on all nodes of a cluster."""
    # What speaks SSH is loaded where it is wanted: a key can be made without.
    from picluster.cli.controlling import alone, find_inventory, session, who  # noqa: PLC0415
    from picluster.cli.up import read  # noqa: PLC0415
    from picluster.cli.watching import confirmed, tell, watcher_for  # noqa: PLC0415

    path = find_inventory(arguments.inventory)
    inventory, text = read(path)
    file = open_secrets(path).cluster_key_path
    with alone(path, "key rotate"), session(path, inventory, watcher_for(inventory.nodes)) as opened:
        if not confirmed(f"Change the key of {inventory.cluster} on {len(inventory.nodes)} nodes?", arguments):
            tell("nothing was done")
            return 0

        def say(sentence: str) -> None:
            opened.watcher.leave()
            tell(sentence)

        take = partial(rotate, file)
        Rotation(inventory, text, KeyFile(file.read_bytes, take), Dispatch(opened.crew, who())).run(say)
    [known] = read_keyring(file).ids
    print(f"{file}: key {known.hex()} seals, and no other is believed")
    return 0


def write_new(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise PiclusterError(
            f"{path} is there already and is kept; choose another name, or change it with --rotate"
        ) from error
    except OSError as error:
        raise PiclusterError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
