"""Lines of exactly one width, made of styled pieces: what every panel draws on.

Rich's own tables and layouts measure and wrap all their cells anew for each drawing, some tens of milliseconds on a Pi.
These panels know their widths, so they make rich's segments directly, and one drawing costs a millisecond or two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from picluster.dashboard.glyphs import UNICODE, Glyphs
from picluster.dashboard.palette import QUIET, STRONG
from picluster.model.snapshot import ClusterSnapshot

Line = list[Segment]
Piece = tuple[str, Style]
Align = Literal["left", "right"]

MARGIN = 1
"""Empty cells at either side."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a panel is drawn: how wide, in which alphabet, at which moment."""

    width: int
    glyphs: Glyphs = UNICODE
    now_ns: int | None = None
    """The moment that decides which blinking lamps are lit; None for a still picture, in which all are."""
    scroll: int = 0
    """How many rows of the nodes have been scrolled away."""

    @property
    def inner(self) -> int:
        """Cells between the margins."""
        return max(0, self.width - 2 * MARGIN)

    def fit(self, text: str, width: int, align: Align = "left") -> str:
        """The text in exactly so many cells: cut with an ellipsis, or filled with spaces."""
        text = self.glyphs.clean(text)
        taken = cell_len(text)
        if taken > width:
            return set_cell_size(text, width - 1) + self.glyphs.ellipsis if width > 0 else ""
        space = " " * (width - taken)
        return space + text if align == "right" else text + space

    def row(self, *pieces: Piece) -> Line:
        """One line between the margins; what is too long is cut, what is too short filled."""
        segments = [Segment(" " * MARGIN)]
        segments += [Segment(self.glyphs.clean(text), style) for text, style in pieces if text]
        whole = Segment.adjust_line_length(segments, max(0, self.width - MARGIN))
        return Segment.adjust_line_length(whole, self.width)

    def rule(self, title: str, labels: str = "") -> Line:
        """A section's first line: its title, then labels of columns (already in place) or nothing, and a thin rule between
        title and labels, and from there to the margin."""
        rest = self.fit(labels, max(0, self.inner - cell_len(title)))
        words = rest.strip()
        start = len(rest) - len(rest.lstrip()) if words else 0
        before = self._stretch(start, 1) if words else ""
        return self.row((title, STRONG), (before + words + self._stretch(len(rest) - start - len(words), 0), QUIET))

    def _stretch(self, cells: int, space_after: int) -> str:
        """A rule with a space before it, and one after it where something follows."""
        return f" {self.glyphs.rule * (cells - 1 - space_after)}{' ' * space_after}" if cells > 2 else " " * cells

    def blank(self) -> Line:
        return self.row()

    def wrap(self, text: str, width: int) -> list[str]:
        """The text in lines of at most so many cells, broken between words, and within one only where it must be."""
        lines: list[str] = []
        rest = ""
        for word in self.glyphs.clean(text).split():
            joined = f"{rest} {word}" if rest else word
            if cell_len(joined) <= width:
                rest = joined
                continue
            if rest:
                lines.append(rest)
            *full, rest = _chop(word, width)
            lines += full
        return [*lines, rest] if rest or not lines else lines


def _chop(word: str, width: int) -> list[str]:
    """A word in pieces of at most so many cells."""
    pieces: list[str] = []
    while cell_len(word) > width > 1:
        piece = set_cell_size(word, width).rstrip()
        pieces.append(piece)
        word = word[len(piece) :]
    return [*pieces, word]


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the screen: how to draw it in at most so many lines, and how many it can make use of."""

    draw: Callable[[ClusterSnapshot, Frame, int], list[Line]]
    heights: Callable[[ClusterSnapshot, Frame], tuple[int, ...]]
    """Numbers of lines that are worth having, rising: from the least that says something, to where nothing is left out."""


class Lines:
    """Finished lines as a rich renderable."""

    def __init__(self, lines: Iterable[Sequence[Segment]]) -> None:
        self.lines = tuple(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()
