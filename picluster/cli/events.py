"""The events of all agents, merged in the order of time, each with the node that tells it.

    picluster events                    the last 50
    picluster events -f                 and whatever happens from now on, until Ctrl-C
    picluster events --json             one object a line

They come from the journals of the nodes, over SSH. The order is that of the nodes' clocks, which time synchronisation keeps
within milliseconds. docs/events.md says what each kind means. Exit code 0: all nodes told theirs; 1: some; 2: none.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from picluster.agent.configuration import read_inventory
from picluster.cli.controlling import add_limit, chosen, find_inventory, session
from picluster.cli.logs import count
from picluster.cli.watching import Quiet, tell
from picluster.controller.events import JOURNAL, Story, Told, as_json, read_told, told_line
from picluster.controller.progress import Kind, Progress
from picluster.controller.running import run_everywhere, worst
from picluster.model.inventory import Node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help_text = "a TOML file (default: the only one, here or in inventory/, with its secrets beside it)"
    parser.add_argument("inventory", type=Path, nargs="?", help=help_text)
    add_limit(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens from now on")
    parser.add_argument(
        "-n", "--lines", type=count, default=50, metavar="N", help="how many of the past, with -f of each node (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="print each as a JSON object in one line")


def run(arguments: argparse.Namespace) -> int:
    path = find_inventory(arguments.inventory)
    inventory = read_inventory(path)
    nodes = chosen(inventory, arguments.limit)
    teller = Teller(nodes, arguments.lines, follow=arguments.follow, as_json=arguments.json)
    command = f"{JOURNAL} --lines={arguments.lines}{' --follow' if arguments.follow else ''}"
    with session(path, inventory, teller) as opened:
        outcomes = run_everywhere(opened.crew, nodes, command, root=True)
    teller.end()
    return worst(outcomes.values())


class Teller(Quiet):
    """Tells the events of all nodes in order: at the end, or as they come."""

    def __init__(self, nodes: Sequence[Node], most: int, *, follow: bool, as_json: bool) -> None:
        super().__init__(nodes)
        self._width = max((len(node.name) for node in nodes), default=0)
        self._most, self._follow, self._json = most, follow, as_json
        self._story = Story()

    def hear(self, progress: Progress) -> None:
        super().hear(progress)
        if progress.kind is Kind.FAILED:
            tell(f"{progress.node}: {progress.text}")
        elif progress.kind is Kind.OUTPUT and (told := read_told(progress.node, progress.text)) is not None:
            self._story.hear(told, time.monotonic())

    def tick(self) -> None:
        if self._follow:
            self._print(self._story.ripe(time.monotonic()))

    def interrupted(self, unfinished: Sequence[str]) -> None:  # noqa: ARG002 (nothing is left undone: it is how one stops)
        self.end()

    def end(self) -> None:
        """Of the past, each node has told as many as are wanted in all."""
        rest = self._story.rest()
        self._print(rest if self._follow else rest[max(0, len(rest) - self._most) :])

    def _print(self, events: Iterable[Told]) -> None:
        for told in events:
            print(json.dumps(as_json(told)) if self._json else told_line(told, self._width), flush=True)
