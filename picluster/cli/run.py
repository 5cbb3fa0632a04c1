"""A command on all nodes, or some, side by side. Each line as it comes, with the node's name before it.

    picluster run -- uptime
    picluster run -l pi1,pi2 --root -- systemctl restart nginx
    picluster run -- 'df -h / | tail -1'

One word is a line of shell, several words are a command and its arguments as they stand. Exit code 0: it ended with 0 on all
nodes; 1: on some; 2: on none.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence

from picluster.cli.controlling import add_inventory, add_limit, chosen, command_of, opened, session
from picluster.cli.watching import Prefixed, Quiet, tell
from picluster.controller.crew import Outcome
from picluster.controller.progress import Kind, Progress
from picluster.controller.running import run_everywhere, worst
from picluster.errors import PiclusterError
from picluster.model.inventory import Node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_inventory(parser)
    add_limit(parser)
    parser.add_argument("--root", action="store_true", help="as root, by sudo")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="how long it may take (default: as long as it likes)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, when all have ended")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


def seconds(word: str) -> float:
    """A time above zero. ValueError, which argparse reports, for what is none."""
    value = float(word)
    if not 0 < value < 1e6:
        raise ValueError(word)
    return value


def run(arguments: argparse.Namespace) -> int:
    words = command_of(arguments.command)
    if not words:
        raise PiclusterError("what is to be run? picluster run -- COMMAND")
    path, inventory = opened(arguments)
    nodes = chosen(inventory, arguments.limit)
    watcher: Quiet = Kept(nodes) if arguments.json else Prefixed(nodes)
    with session(path, inventory, watcher) as opened_session:
        outcomes = run_everywhere(
            opened_session.crew, nodes, line_of(words), root=arguments.root, timeout_s=arguments.timeout
        )
    if isinstance(watcher, Kept):
        print(json.dumps(as_json(outcomes, watcher.lines), indent=2))
    else:
        for text in failures(outcomes):
            tell(text)
    return worst(outcomes.values())


def line_of(words: Sequence[str]) -> str:
    """One word is a line of shell; several are taken as they are."""
    return words[0] if len(words) == 1 else shlex.join(words)


class Kept(Quiet):
    """Keeps what the nodes say."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__(nodes)
        self.lines: dict[str, list[str]] = {}

    def hear(self, progress: Progress) -> None:
        super().hear(progress)
        if progress.kind is Kind.OUTPUT:
            self.lines.setdefault(progress.node, []).append(progress.text)


def failures(outcomes: Mapping[str, Outcome[int]]) -> list[str]:
    """Who ended with which exit code, where that is not 0."""
    return [f"{name}: exit code {outcome.value}" for name, outcome in outcomes.items() if outcome.ok and outcome.value]


def as_json(outcomes: Mapping[str, Outcome[int]], lines: Mapping[str, Sequence[str]]) -> dict[str, object]:
    nodes = [
        {
            "node": name,
            "exit_code": outcome.value,
            "error": None if outcome.failure is None else str(outcome.failure),
            "took_s": round(outcome.took_s, 2),
            "lines": list(lines.get(name, ())),
        }
        for name, outcome in outcomes.items()
    ]
    return {"nodes": nodes}
