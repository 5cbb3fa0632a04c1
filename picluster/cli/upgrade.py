"""Bring the agents' software up to date: one node after the other, whoever holds an address last.

    picluster upgrade               the version of this controller, on every node
    picluster upgrade --dry-run     what it would do

The next node's turn comes when the one before is heard by a majority again and every address is held. With the first that is
not well afterwards it ends, and the others keep what they have. No voter goes where a majority needs it. A run that was cut,
or that ended there, is run again: it finds out who has the new software. docs/life.md tells more.

Exit code 0: all have it, and all is well; 1: some have; 2: none could be done.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

from picluster.cli.controlling import add_yes, alone, find_inventory, session
from picluster.cli.up import Work, hints, read
from picluster.cli.watching import watcher_for
from picluster.controller import report as telling
from picluster.controller.rolling import Rolling
from picluster.controller.up import Survey, Up
from picluster.controller.upgrade import Upgrade

PART = "agent"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help_text = "a TOML file (default: the only one, here or in inventory/, with its secrets beside it)"
    parser.add_argument("inventory", type=Path, nargs="?", help=help_text)
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--diff", action="store_true", help="show what is different in files")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="take libraries from there; never ask a package index")
    add_yes(parser)
    parser.set_defaults(limit=(), only=(PART,), reboot=False, json=False)


def run(arguments: argparse.Namespace) -> int:
    path = find_inventory(arguments.inventory)
    inventory = read(path)[0]
    with (
        nullcontext() if arguments.dry_run else alone(path, "upgrade"),
        session(path, inventory, watcher_for(inventory.nodes)) as opened,
    ):
        return OneByOne(opened, arguments).run()


class OneByOne(Work):
    """What `up` does, in a stricter order."""

    def _apply(self, up: Up, survey: Survey) -> int:
        inventory = read(self._session.path)[0]
        report = Upgrade(inventory, up, Rolling(self._session.crew, inventory)).apply(survey)
        self._session.watcher.leave()
        commands = [line.replace("picluster up", "picluster upgrade") for line in hints(report, self._session.path)]
        print("\n".join([*telling.lines(report), *commands]))
        return report.exit_code
