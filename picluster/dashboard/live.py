"""The dashboard that moves: takes the latest snapshot a few times a second, draws what has changed, listens to the keyboard.

    python -m picluster.dashboard.live        the example scenes; a digit chooses one

Every drawing is compared with the one before line by line, and only lines that differ are sent, each placed by itself
(ECMA-48 CUP) and all of them inside one "synchronized update" (mode 2026; terminals that do not know it ignore it). So
nothing is ever cleared and nothing flickers, and a calm cluster costs a slow SSH line a few hundred bytes a second.

Where there is no terminal to place a cursor on (a pipe, `TERM=dumb`), a plain rendering is printed whenever the cluster has
changed in something that matters.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Protocol, TextIO

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from picluster.adapters.terminal import Terminal
from picluster.dashboard.canvas import Line
from picluster.dashboard.export import plain
from picluster.dashboard.glyphs import for_encoding
from picluster.dashboard.keys import Key
from picluster.dashboard.screen import View, lines
from picluster.model.snapshot import ClusterSnapshot

Source = Callable[[], ClusterSnapshot]
"""Hands over the latest snapshot at once. It may be filled by another thread: a snapshot is frozen."""

REDRAW_S = 0.125
"""Eight drawings a second: enough for every way in which a lamp blinks."""
LOOK_S = 0.25
"""How often the plain form looks for a change."""
BEGIN_UPDATE = "\x1b[?2026h"
END_UPDATE = "\x1b[?2026l"
_COLOR_SYSTEMS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}


class Operator(Protocol):
    """Who decides what the keys do. `?`, `q`, up and down belong to the dashboard, all others come here."""

    @property
    def keys(self) -> tuple[Key, ...]: ...

    @property
    def prompt(self) -> str:
        """A question or an answer, shown in place of the keys; empty where there is none."""
        ...

    def press(self, key: str) -> None:
        """Must return at once: the screen stands still meanwhile."""
        ...


class Onlooker:
    """The operator of `picluster watch`: looks, and touches nothing."""

    keys: tuple[Key, ...] = ()
    prompt = ""

    def press(self, key: str) -> None:
        """No further key means anything."""


class Painter:
    """Turns lines into what has to be sent to the terminal, given what it shows already."""

    def __init__(self, color_system: ColorSystem | None, *, colours: bool = True) -> None:
        self._color_system = color_system
        self._colours = colours
        self._shown: list[str] = []

    @classmethod
    def for_this_terminal(cls) -> Painter:
        """As rich finds out what the terminal can do: TERM, COLORTERM, NO_COLOR (no-color.org)."""
        console = Console(force_terminal=True)
        return cls(_COLOR_SYSTEMS.get(console.color_system or ""), colours=not console.no_color)

    def forget(self) -> None:
        """The terminal was cleared or resized: everything has to be sent again."""
        self._shown = []

    def paint(self, drawn: list[Line]) -> str:
        """What turns the terminal's present contents into these lines; empty where nothing differs."""
        written = [self._written(line) for line in drawn]
        before = self._shown
        self._shown = written
        parts = [
            f"\x1b[{number + 1};1H{text}"
            for number, text in enumerate(written)
            if number >= len(before) or before[number] != text
        ]
        if len(before) != len(written):
            parts.insert(0, "\x1b[0m\x1b[2J")
        return f"{BEGIN_UPDATE}{''.join(parts)}{END_UPDATE}" if parts else ""

    def _written(self, line: Line) -> str:
        pieces = line if self._colours else list(Segment.remove_color(line))
        return "".join(self._piece(text, style) for text, style, _ in pieces)

    def _piece(self, text: str, style: Style | None) -> str:
        return style.render(text, color_system=self._color_system) if style else text


def watch(source: Source, operator: Operator) -> None:
    """Draw until `q`, the end of the terminal, or the death of the process that started this one.

    Ctrl-C is a KeyboardInterrupt and SIGTERM the caller's own handler or SystemExit, with the terminal given back before.
    """
    glyphs = for_encoding(sys.stdout.encoding)
    view = View(glyphs=glyphs, keys=operator.keys)
    painter = Painter.for_this_terminal()
    with Terminal() as terminal:
        while not terminal.closed:
            began_ns = time.monotonic_ns()
            if terminal.take_redraw():
                painter.forget()
            columns, rows = terminal.size
            view = replace(view, keys=operator.keys, prompt=operator.prompt, now_ns=began_ns)
            snapshot = source()
            terminal.write(painter.paint(lines(snapshot, columns, rows, view)))
            spent_s = (time.monotonic_ns() - began_ns) / 1e9
            for key in terminal.keys(max(0.01, REDRAW_S - spent_s)):
                if key == "q":
                    return
                view = _turned(view, key, operator, len(snapshot.nodes))


def _turned(view: View, key: str, operator: Operator, nodes: int) -> View:
    """What a key changes in the view; a key that is not the dashboard's goes to the operator."""
    if key == "?" or (key == "escape" and view.help):
        return replace(view, help=not view.help)
    if key in {"up", "down"}:
        return replace(view, scroll=max(0, min(nodes, view.scroll + (1 if key == "down" else -1))))
    operator.press(key)
    return view


def gist(snapshot: ClusterSnapshot) -> Hashable:
    """What is worth a new plain rendering: not ages, not round trips, not counters."""
    return (
        snapshot.cluster,
        tuple((node.name, node.state, node.holds, node.note) for node in snapshot.nodes),
        tuple((floating.name, floating.holder) for floating in snapshot.addresses),
        snapshot.quorum.alive,
        snapshot.events[-1:],
        snapshot.notices,
    )


def follow(source: Source, output: TextIO) -> None:
    """Print a plain rendering now and after every change, until the reader goes away or Ctrl-C."""
    glyphs = for_encoding(output.encoding)
    shown: Hashable = None
    while True:
        snapshot = source()
        now = gist(snapshot)
        try:
            if now != shown:
                output.write(plain(snapshot, glyphs=glyphs) + "\n")
                output.flush()
        except BrokenPipeError:
            # The interpreter flushes its standard output at exit; what can't be delivered must not be an error again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
            return
        shown = now
        time.sleep(LOOK_S)


def run(source: Source, operator: Operator | None = None) -> None:
    """Watch in a terminal; follow without one."""
    if Terminal.usable():
        watch(source, operator or Onlooker())
    else:
        follow(source, sys.stdout)


if __name__ == "__main__":
    from picluster.dashboard.example import Scenery

    scenery = Scenery()
    with contextlib.suppress(KeyboardInterrupt):
        run(scenery.snapshot, scenery)
