"""Nodes at work, one line each, while a controller changes them: how far, what at the moment, for how long.

    ● pi1  ━━━━━━━━━━━━ 20/20  done                                    6.1 s
    ○ pi2  ━━━━━━╸───── 11/20  package nftables  unpacking …           4.8 s
    ✕ pi3                      no answer on 192.168.1.23 port 22        6.0 s

It stands below what the terminal shows already, and makes room again when it is left: a table then says it better.
"""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live

from picluster.controller.ledger import Ledger, Row
from picluster.controller.progress import Kind
from picluster.dashboard.canvas import Frame, Line, Lines, Piece
from picluster.dashboard.glyphs import for_encoding
from picluster.dashboard.palette import BAD, FILLING, GOOD, PLAIN, QUIET, STRONG

__all__ = ["CrewView", "rows"]

BAR_CELLS = 12
TIME_CELLS = 9
REDRAW_S = 0.125


class CrewView:
    """The picture, redrawn where it stands."""

    def __init__(self, ledger: Ledger, console: Console | None = None) -> None:
        self._ledger = ledger
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._drawn_s = 0.0

    def draw(self, *, now: bool = False) -> None:
        """Draw, unless that was done a moment ago."""
        if not now and time.monotonic() - self._drawn_s < REDRAW_S:
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._drawn_s = time.monotonic()
        self._live.update(Lines(rows(self._ledger, self._frame())), refresh=True)

    def leave(self) -> None:
        """Make room; the terminal is somebody else's until the next drawing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _frame(self) -> Frame:
        return Frame(self._console.width, for_encoding(self._console.encoding))


def rows(ledger: Ledger, frame: Frame) -> list[Line]:
    """A line for each node."""
    names = max((len(name) for name in ledger.rows), default=0)
    counted = any(row.of for row in ledger.rows.values())
    return [_row(row, frame, names, ledger.now_s(), counted=counted) for row in ledger.rows.values()]


def _row(row: Row, frame: Frame, names: int, now_s: float, *, counted: bool) -> Line:
    bar = _bar(row, frame) if counted else ()
    taken = 2 + names + 2 + sum(len(text) for text, _ in bar)
    width = max(0, frame.inner - taken - TIME_CELLS)
    doing, note = _words(row)
    said = f"{doing}  {note}" if note and doing else doing or note
    style = BAD if row.kind is Kind.FAILED else PLAIN if row.running else QUIET
    took = (frame.fit(f"{row.took_s(now_s):.1f} s", TIME_CELLS, "right"), QUIET)
    return frame.row(_sign(row, frame), (f"{row.node:<{names}}  ", STRONG), *bar, (frame.fit(said, width), style), took)


def _sign(row: Row, frame: Frame) -> Piece:
    glyphs = frame.glyphs
    if row.kind is Kind.FAILED:
        return f"{glyphs.bad} ", BAD
    return (f"{glyphs.voter_alive} ", GOOD) if not row.running else (f"{glyphs.dot} ", FILLING)


def _bar(row: Row, frame: Frame) -> tuple[Piece, ...]:
    """As long for a node that counts no steps, so that all words begin below each other."""
    if not row.of:
        return ((" " * (BAR_CELLS + 9), PLAIN),)
    empty, full = frame.glyphs.bar[0], frame.glyphs.bar[-1]
    filled = BAR_CELLS * row.done // row.of
    count = f" {row.done}/{row.of}"
    return (full * filled, FILLING), (empty * (BAR_CELLS - filled), QUIET), (f"{count:<9}", QUIET)


def _words(row: Row) -> tuple[str, str]:
    if row.kind is Kind.FAILED:
        return "", row.note.partition("\n")[0]
    return (row.doing, row.note) if row.running else ("done", "")
