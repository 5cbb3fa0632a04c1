"""The demo's client: who answers it, and what an outage cost. It is the only judge; the nodes may believe what they like.

python -m picluster.dashboard.client
"""

from __future__ import annotations

from picluster.dashboard.canvas import Frame, Line, Panel, Piece
from picluster.dashboard.palette import ALARM, BAD, NAME, PLAIN, QUIET, STRONG
from picluster.dashboard.words import milliseconds
from picluster.model.snapshot import ClientView, ClusterSnapshot

TITLE = "client  "


def _answers(client: ClientView, frame: Frame) -> list[Piece]:
    if not client.answered_by:
        return [(f"{frame.glyphs.bad} no answer", ALARM)]
    return [("answered by ", PLAIN), (client.answered_by, NAME)]


def _counts(client: ClientView) -> list[Piece]:
    """What matters most comes first: a narrow line shows only the first ones."""
    double = f"two answered for {milliseconds(client.double_ms)}" if client.double_ms > 0 else "never two at once"
    return [
        (f"{client.lost:,} of {client.sent:,} lost", PLAIN),
        (double, ALARM if client.double_ms > 0 else PLAIN),
        (f"{client.rate:,} a second", QUIET),
    ]


def _line(client: ClientView, frame: Frame, room: int) -> list[Piece]:
    pieces = _answers(client, frame)
    dot = f"  {frame.glyphs.dot}  "
    room -= sum(len(text) for text, _ in pieces)
    for text, style in _counts(client):
        room -= len(dot) + len(text)
        if room < 0:
            break
        pieces += [(dot, QUIET), (text, style)]
    return pieces


def _draw(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    client = snapshot.client
    if client is None:
        return []
    if height < 2:
        return [frame.row((TITLE, STRONG), *_line(client, frame, frame.inner - len(TITLE)))][:height]
    lines = [frame.rule("client"), frame.row(*_line(client, frame, frame.inner))]
    if client.recent:
        style = STRONG if client.answered_by else BAD
        lines.append(frame.row((frame.fit(client.recent, frame.inner), style)))
    return lines[:height]


def _heights(snapshot: ClusterSnapshot, _frame: Frame) -> tuple[int, ...]:
    if snapshot.client is None:
        return (0,)
    return 1, 1, 3 if snapshot.client.recent else 2


PANEL = Panel(_draw, _heights)

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
