"""How verbs that work on many nodes speak with people: questions, lines for logs, a picture that moves, prefixed output."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence

from picluster.controller.ledger import Ledger
from picluster.controller.progress import Kind, Progress
from picluster.errors import AccessError, PiclusterError
from picluster.model.inventory import Node

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)
"""Of lines' beginnings, one node's after the other's (ECMA-48 SGR)."""


def typed(question: str, *, secret: bool) -> str:
    """What a person types. Raises AccessError where there is none at the terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise AccessError(f"there is no terminal at which somebody could answer: {question.strip()}")
    try:
        if secret:
            return getpass.getpass(question)
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()
    except EOFError as error:
        raise AccessError("nobody answered") from error


def confirmed(question: str, arguments: argparse.Namespace) -> bool:
    """Whether it may be done: `--yes`, or a person says so. Raises PiclusterError where nobody can be asked."""
    if arguments.yes:
        return True
    try:
        return typed(f"{question} [y/N] ", secret=False).lower() in {"y", "yes"}
    except AccessError as error:
        raise PiclusterError(f"there is no terminal to ask at: {question} Say so with --yes") from error


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Quiet:
    """Shows nothing, keeps count, and asks where it must. The beginning of every watcher."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.ledger = Ledger(node.name for node in nodes)

    def hear(self, progress: Progress) -> None:
        self.ledger.hear(progress)

    def tick(self) -> None:
        """Nothing moves."""

    def answer(self, question: str, *, secret: bool) -> str:
        return typed(question, secret=secret)

    def leave(self) -> None:
        """The terminal is somebody else's now."""

    def interrupted(self, unfinished: Sequence[str]) -> None:
        """After Ctrl-C, when all connections are cut: these nodes had not finished."""


class Telling(Quiet):
    """Tells people what becomes of it."""

    def interrupted(self, unfinished: Sequence[str]) -> None:
        tell("\ninterrupted; all connections are cut. What is done stays done; run it again to go on")
        for line in self.ledger.unfinished(unfinished):
            tell(line)


class Lines(Telling):
    """A line for each thing that happens, where there is no terminal: for logs."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__(nodes)
        self._last: dict[str, str] = {}

    def hear(self, progress: Progress) -> None:
        super().hear(progress)
        line = self._line(progress)
        if line and self._last.get(progress.node) != progress.text:
            self._last[progress.node] = progress.text
            tell(f"{progress.node}: {line}")

    def _line(self, progress: Progress) -> str:
        match progress.kind:
            case Kind.STEP:
                count = f"{progress.done + 1}/{progress.of} " if progress.of else ""
                return f"{count}{progress.text}"
            case Kind.FAILED:
                return f"✗ {progress.text}"
            case Kind.STAGE | Kind.WAIT:
                return progress.text
        return ""


class Picture(Telling):
    """Lines that move, on a terminal."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        from picluster.dashboard.crew import CrewView  # noqa: PLC0415  what draws is loaded where something is drawn

        super().__init__(nodes)
        self._view = CrewView(self.ledger)

    def tick(self) -> None:
        self._view.draw()

    def answer(self, question: str, *, secret: bool) -> str:
        self._view.leave()
        return typed(question, secret=secret)

    def leave(self) -> None:
        self._view.leave()


class Prefixed(Quiet):
    """What commands say, line by line, each with its node's name before it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__(nodes)
        self._width = max((len(node.name) for node in nodes), default=0)
        self._numbers = {node.name: number for number, node in enumerate(nodes)}
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def hear(self, progress: Progress) -> None:
        super().hear(progress)
        if progress.kind is Kind.OUTPUT:
            print(f"{self._before(progress.node)} {progress.text}", flush=True)
        elif progress.kind is Kind.FAILED:
            tell(f"{progress.node:<{self._width}} ✗ {progress.text}")

    def _before(self, node: str) -> str:
        name = f"{node:<{self._width}}"
        if not self._colours:
            return f"{name} │"
        return f"\x1b[{COLOURS[self._numbers.get(node, 0) % len(COLOURS)]}m{name} │\x1b[0m"


def watcher_for(nodes: Sequence[Node], *, quiet: bool = False) -> Quiet:
    """A picture on a terminal, lines elsewhere."""
    if quiet:
        return Quiet(nodes)
    on_terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Picture(nodes) if on_terminal else Lines(nodes)
