"""The results as a picture (SVG): how long each system leaves the address dark, and how long it lets two nodes answer.

Outages reach from hundredths of a second to many seconds, so their scale is logarithmic. The picture brings its own
background, light or dark as the reader's system has it, so that it can be read wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.figures import Summary
from benchmarks.results import Results
from benchmarks.systems import SYSTEMS, System

__all__ = ["chart"]

WIDTH, HEAD, ROW, FOOT = 860, 64, 30, 52
BAR = 12
LABELS, DARK, DOUBLE = 16, 210, 590
"""Where the three columns begin."""
DARK_WIDTH, DOUBLE_WIDTH = 240, 150
"""How long the longest bars are; their figures stand behind them."""
SHORTEST_MS = 10.0
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328; paint-order: stroke; stroke: #ffffff; stroke-width: 3px }
.title { font-weight: 600 }
.faint { fill: #59636e }
.back { fill: #ffffff }
.grid { stroke: #d1d9e0 }
.peer { fill: #8c959f }
.ours { fill: #1a7f5a }
.worst { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; stroke: #0d1117 }
.faint { fill: #9198a1 }
.back { fill: #0d1117 }
.grid { stroke: #3d444d }
.peer { fill: #6e7681 }
.ours { fill: #3fb68b }
.worst { stroke: #e6edf3 }
}"""


@dataclass(frozen=True, slots=True)
class Row:
    """What is drawn of a system."""

    system: System
    median_ms: float
    worst_ms: float
    double_ms: float | None
    """In a partition and while the holder is frozen; None where that was not played."""


def chart(results: Results) -> str:
    """The whole file. Only systems whose power was cut are in it."""
    rows = [row for row in (_row(results, subject) for subject in SYSTEMS) if row]
    height = HEAD + ROW * len(rows) + FOOT
    title = "Power cut of the holder: how long the address is dark; and how long two nodes answer at once"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}" rx="6"/>',
        _text(DARK, 26, "dark after a power cut", "title"),
        _text(DARK, 44, "bar: median, mark: worst; logarithmic", "faint"),
        _text(DOUBLE, 26, "two nodes answer at once", "title"),
        _text(DOUBLE, 44, "in a partition and a freeze", "faint"),
        *_scale(rows, height),
        *(line for number, row in enumerate(rows) for line in _drawn(row, rows, HEAD + ROW * number)),
        _text(LABELS, height - 14, f"{results.machine}, {results.taken}", "faint"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _row(results: Results, subject: System) -> Row | None:
    median, worst = (results.value(subject.key, "cut", "outage_ms", how) for how in (Summary.MEDIAN, Summary.WORST))
    if median is None or worst is None:
        return None
    doubles = [results.value(subject.key, one, "double_ms", Summary.TOTAL) for one in ("partition", "freeze")]
    known = [double for double in doubles if double is not None]
    return Row(subject, median, worst, sum(known) if known else None)


def _scale(rows: Sequence[Row], height: int) -> Iterator[str]:
    """A line for each power of ten."""
    longest = max((row.worst_ms for row in rows), default=SHORTEST_MS)
    tick_ms = SHORTEST_MS
    while rows and tick_ms <= longest:
        x = DARK + _logarithmic(tick_ms, longest)
        yield f'<line class="grid" x1="{x:.1f}" y1="{HEAD - 8}" x2="{x:.1f}" y2="{height - FOOT}"/>'
        yield _text(x, height - FOOT + 14, _time(tick_ms), "faint", anchor="middle")
        tick_ms *= 10


def _drawn(row: Row, rows: Sequence[Row], top: int) -> Iterator[str]:
    longest, most = max(one.worst_ms for one in rows), max(one.double_ms or 0.0 for one in rows)
    kind = "ours" if row.system.is_ours else "peer"
    baseline, middle = top + 15, top + 10
    yield _text(LABELS, baseline, row.system.title)
    median, worst = (_logarithmic(value, longest) for value in (row.median_ms, row.worst_ms))
    yield _bar(DARK, top, median, kind)
    yield f'<line class="worst" x1="{DARK + median:.1f}" y1="{middle}" x2="{DARK + worst:.1f}" y2="{middle}"/>'
    yield f'<line class="worst" x1="{DARK + worst:.1f}" y1="{top + 4}" x2="{DARK + worst:.1f}" y2="{top + 16}"/>'
    yield _text(DARK + worst + 8, baseline, f"{_time(row.median_ms)} / {_time(row.worst_ms)}")
    if row.double_ms is None:
        yield _text(DOUBLE, baseline, "not played", "faint")
        return
    length = DOUBLE_WIDTH * row.double_ms / most if most else 0.0
    yield _bar(DOUBLE, top, length, kind)
    yield _text(DOUBLE + length + (8 if length else 0), baseline, _time(row.double_ms) if row.double_ms else "never")


def _bar(x: float, top: int, length: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{top + 4}" width="{length:.1f}" height="{BAR}" rx="2"/>'


def _logarithmic(value_ms: float, longest_ms: float) -> float:
    """How far from the beginning; what is shorter than the shortest is drawn as that."""
    decades = math.log10(max(longest_ms, 10 * SHORTEST_MS) / SHORTEST_MS)
    return DARK_WIDTH * math.log10(max(value_ms, SHORTEST_MS) / SHORTEST_MS) / decades


def _time(value_ms: float) -> str:
    return f"{value_ms:.0f} ms" if value_ms < 1_000 else f"{value_ms / 1e3:.1f} s"


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
