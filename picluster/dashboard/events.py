"""The latest events that fit, the oldest first, so that reading down is going forward in time.

python -m picluster.dashboard.events
"""

from __future__ import annotations

from rich.cells import cell_len

from picluster.dashboard.canvas import Frame, Line, Panel
from picluster.dashboard.palette import PLAIN, QUIET, SEVERITIES
from picluster.model.events import Severity
from picluster.model.snapshot import ClusterSnapshot, EventView

LINES_AT_MOST = 3
"""Of one event, where others are waiting."""


def _event(event: EventView, frame: Frame) -> list[Line]:
    glyphs = frame.glyphs
    mark = {Severity.INFO: glyphs.dot, Severity.WARNING: glyphs.attention, Severity.BAD: glyphs.bad}[event.severity]
    indent = cell_len(event.clock) + 4
    texts = frame.wrap(event.text, max(8, frame.inner - indent))
    if len(texts) > LINES_AT_MOST:
        rest = " ".join(texts[LINES_AT_MOST - 1 :])
        texts = [*texts[: LINES_AT_MOST - 1], frame.fit(rest, max(8, frame.inner - indent))]
    style = SEVERITIES[event.severity]
    first = frame.row((f"{event.clock}  ", QUIET), (f"{mark} ", style if style is not PLAIN else QUIET), (texts[0], style))
    return [first, *(frame.row((" " * indent, PLAIN), (text, style)) for text in texts[1:])]


def _draw(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    lines: list[Line] = []
    for event in reversed(snapshot.events):
        drawn = _event(event, frame)
        if len(drawn) + len(lines) + 1 > height:
            break
        lines = [*drawn, *lines]
    if not snapshot.events:
        lines = [frame.row(("nothing has happened yet", QUIET))]
    return [frame.rule("events"), *lines][:height]


def _heights(snapshot: ClusterSnapshot, frame: Frame) -> tuple[int, ...]:
    # A tall screen shows some dozens; wrapping a day's worth of events for each drawing would cost more than it shows.
    latest = snapshot.events[-60:]
    everything = 1 + max(1, sum(len(_event(event, frame)) for event in latest))
    return *(min(lines, everything) for lines in (2, 3, 4, 6)), everything


PANEL = Panel(_draw, _heights)

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
