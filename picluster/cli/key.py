"""Make a cluster key: the secret that seals what the nodes say to each other. The same file goes to every node.

Mode 0600, and never overwritten. With --rotate a new key is put in front of the present one: both are believed then, so that
the nodes can be given the file one after the other; later the last line is taken away likewise.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from picluster.agent.configuration import read_keyring
from picluster.errors import PiclusterError
from picluster.wire import Keyring


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="where to write it, such as inventory/home.key")
    parser.add_argument("--rotate", action="store_true", help="put a new key in front of the one that is there")


def run(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
    if arguments.rotate:
        rotate(path)
    else:
        write_new(path, Keyring.fresh())
    print(f"{path}: key {read_keyring(path).ids[0].hex()}")
    return 0


def rotate(path: Path) -> None:
    present = read_keyring(path).keys[0].hex()
    fresh = path.with_name(f"{path.name}.new")
    write_new(fresh, f"{Keyring.fresh().strip()}\n{present}\n")
    fresh.replace(path)


def write_new(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise PiclusterError(f"{path} is there already and is kept; choose another name, or use --rotate") from error
    except OSError as error:
        raise PiclusterError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
