"""The quorum: which voters are alive, how many are needed, and how many more may fail, in words.

python -m picluster.dashboard.quorum
"""

from __future__ import annotations

from rich.style import Style

from picluster.dashboard.canvas import Frame, Line, Panel, Piece
from picluster.dashboard.palette import BAD, GOOD, PLAIN, QUIET, STRONG, WARNING
from picluster.dashboard.words import number
from picluster.model.snapshot import ClusterSnapshot, QuorumView


def verdict(quorum: QuorumView) -> tuple[str, Style]:
    """What the numbers mean."""
    if not quorum.held:
        return "no quorum", BAD
    if quorum.may_fail == 0:
        return "not one more may fail", WARNING
    return f"{number(quorum.may_fail)} more may fail", GOOD


def votes(quorum: QuorumView, frame: Frame) -> list[Piece]:
    """A mark for each voter, in the order of the inventory."""
    alive = set(quorum.alive)
    glyphs = frame.glyphs
    return [(glyphs.voter_alive, GOOD) if voter in alive else (glyphs.voter_missing, BAD) for voter in quorum.voters]


def counts(quorum: QuorumView) -> str:
    gateway = " and the gateway's vote" if quorum.tie_breaker else ""
    return f"{len(quorum.alive)} of {len(quorum.voters)} voters alive{gateway}, {quorum.needed} needed"


def _missing(quorum: QuorumView) -> str:
    alive = set(quorum.alive)
    missing = [voter for voter in quorum.voters if voter not in alive]
    if not quorum.held:
        return f"nobody may hold an address; not heard: {', '.join(missing)}"
    return f"not heard: {', '.join(missing)}" if missing else f"all alive: {', '.join(quorum.voters)}"


def _draw(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    quorum = snapshot.quorum
    words, style = verdict(quorum)
    return [
        frame.rule("quorum"),
        frame.row(*votes(quorum, frame), (f"  {words}", style)),
        frame.row((counts(quorum), PLAIN)),
        frame.row((frame.fit(_missing(quorum), frame.inner), QUIET)),
    ][:height]


def _draw_line(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    quorum = snapshot.quorum
    words, style = verdict(quorum)
    start: list[Piece] = [("quorum  ", STRONG), *votes(quorum, frame), (f"  {words}", style)]
    room = frame.inner - sum(len(text) for text, _ in start)
    return [frame.row(*start, (frame.fit(f"  {frame.glyphs.dot}  {counts(quorum)}", room), QUIET))][:height]


PANEL = Panel(_draw, lambda _snapshot, _frame: (4,))
LINE = Panel(_draw_line, lambda _snapshot, _frame: (1,))
"""The same in one line."""

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
