"""Log in on a node with OpenSSH's client, by the cluster's key and with the host keys that the cluster knows.

    picluster ssh pi3
    picluster ssh pi3 -- journalctl -u picluster -f

Users, ports and jump hosts of ~/.ssh/config are honoured, as everywhere.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from picluster.adapters.ssh import open_ssh_command
from picluster.cli.controlling import WayIn, add_inventory, chosen, command_of, opened, target
from picluster.cli.watching import Quiet
from picluster.controller.desk import Desk
from picluster.controller.secrets import open_secrets
from picluster.errors import PiclusterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", help="such as pi3")
    add_inventory(parser)
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="a command, where it is not to be a shell"
    )


def run(arguments: argparse.Namespace) -> int:
    path, inventory = opened(arguments)
    [node] = chosen(inventory, (arguments.node,))
    way = WayIn(inventory, open_secrets(path), Desk(Quiet([node])))
    words = open_ssh_command(target(node), way.credentials, way.trust, way.configuration)
    command = command_of(arguments.command)
    if command:
        words.append(command[0] if len(command) == 1 else shlex.join(command))
    sys.stdout.flush()
    try:
        os.execvp(words[0], words)  # noqa: S606  the very point
    except FileNotFoundError as error:
        raise PiclusterError("OpenSSH's client is not installed here; run: apt install openssh-client") from error
