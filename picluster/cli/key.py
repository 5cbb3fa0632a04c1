"""Make a cluster key: the secret that seals what the nodes say to each other. The same file goes to every node.

Mode 0600, and never overwritten. To change the key of a running cluster, and lose nothing on the way, take three steps.
After each, copy the file to every node and send the agents SIGHUP, before you take the next:

    --rotate add     a new key as the second line: everybody believes it, nobody uses it yet
    --rotate swap    the new key goes first: it seals from now on, and both are believed
    --rotate drop    the second line, the old key, goes
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from picluster.agent.configuration import read_keyring
from picluster.errors import PiclusterError
from picluster.wire import Keyring

STEPS = ("add", "swap", "drop")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="where to write it, such as inventory/home.key")
    parser.add_argument("--rotate", choices=STEPS, metavar="STEP", help="change the key that is there: add, swap, or drop")


def run(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
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
    replacement = path.with_name(f"{path.name}.new")
    write_new(replacement, "\n".join([comment, *following]) + "\n")
    replacement.replace(path)


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
