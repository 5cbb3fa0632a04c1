"""What is not covered on this machine, or not possible, in plain words.

python -m picluster.dashboard.notices
"""

from __future__ import annotations

from picluster.dashboard.canvas import Frame, Line, Panel
from picluster.dashboard.palette import PLAIN, WARNING
from picluster.model.snapshot import ClusterSnapshot


def _wrapped(snapshot: ClusterSnapshot, frame: Frame) -> list[Line]:
    lines: list[Line] = []
    for notice in snapshot.notices:
        for number, text in enumerate(frame.wrap(notice, max(1, frame.inner - 2))):
            lines.append(frame.row((frame.glyphs.attention + " " if number == 0 else "  ", WARNING), (text, PLAIN)))
    return lines


def _draw(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    lines = _wrapped(snapshot, frame)
    if len(lines) <= height:
        return lines
    number = len(snapshot.notices)
    text = snapshot.notices[0] if number == 1 else f"{number} notices, the first: {snapshot.notices[0]}"
    return [frame.row((frame.glyphs.attention + " ", WARNING), (frame.fit(text, frame.inner - 2), PLAIN))][:height]


def _heights(snapshot: ClusterSnapshot, frame: Frame) -> tuple[int, ...]:
    return min(1, len(snapshot.notices)), len(_wrapped(snapshot, frame))


PANEL = Panel(_draw, _heights)

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
