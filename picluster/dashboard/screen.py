"""The whole screen: which panels stand where, and how the lines are shared out among them.

    python -m picluster.dashboard.screen

Each panel names the heights that it can make use of. They get the first of them, then in turn the next, for as long as lines
are left; the events get the rest. From `TWO_COLUMNS` cells on, what the cluster is stands on the left, and
what happens to it on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

from picluster.dashboard import addresses, client, events, headline, nodes, notices, quorum
from picluster.dashboard.canvas import Frame, Line, Lines, Panel
from picluster.dashboard.glyphs import UNICODE, Glyphs
from picluster.dashboard.keys import Key, help_page, key_line
from picluster.model.snapshot import ClusterSnapshot

TWO_COLUMNS = 140
"""Width from which the events stand beside the nodes instead of below them."""
LEFT_SHARE = 0.58
ONE_COLUMN = (addresses.PANEL, nodes.PANEL, quorum.LINE, client.PANEL, notices.PANEL, events.PANEL)
LEFT = (addresses.PANEL, nodes.PANEL, notices.PANEL)
RIGHT = (client.PANEL, quorum.PANEL, events.PANEL)


@dataclass(frozen=True, slots=True)
class View:
    """What a person has chosen to see, and the moment."""

    glyphs: Glyphs = UNICODE
    now_ns: int | None = None
    """For the blinking lamps, on any clock that only goes forward; None: a still picture, every lamp lit."""
    keys: tuple[Key, ...] = ()
    prompt: str = ""
    """A question or an answer that stands in place of the keys."""
    help: bool = False
    scroll: int = 0
    interactive: bool = True
    """Whether there is a line of keys at all."""


def lines(snapshot: ClusterSnapshot, width: int, height: int, view: View) -> list[Line]:
    """The screen as exactly `height` lines of exactly `width` cells."""
    frame = Frame(width, view.glyphs, view.now_ns, view.scroll)
    foot = [key_line(view.keys, view.prompt, frame)] if view.interactive and height > 3 else []
    head = headline.PANEL.draw(snapshot, frame, 1)[: max(0, height - len(foot))]
    room = max(0, height - len(head) - len(foot))
    if view.help:
        body = help_page(view.keys, frame, room)
    elif width >= TWO_COLUMNS:
        body = _two_columns(snapshot, frame, room)
    else:
        body = _stack(snapshot, frame, room, ONE_COLUMN)
    body += [frame.blank() for _ in range(room - len(body))]
    return [*head, *body, *foot]


def natural_height(snapshot: ClusterSnapshot, width: int) -> int:
    """Lines with which nothing is left out in one column, without a line of keys."""
    frame = Frame(width)
    wanted = [panel.heights(snapshot, frame)[-1] for panel in ONE_COLUMN]
    return 1 + sum(wanted) + sum(height > 0 for height in wanted)


def _two_columns(snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    left_width = int(frame.width * LEFT_SHARE)
    left = _narrower(frame, left_width)
    right = _narrower(frame, frame.width - left_width)
    airy = all(
        _shares([panel.heights(snapshot, frame) for panel in panels], height)[1]
        for frame, panels in ((left, LEFT), (right, RIGHT))
    )
    ours = _stack(snapshot, left, height, LEFT, airy=airy)
    theirs = _stack(snapshot, right, height, RIGHT, airy=airy)
    ours += [left.blank() for _ in range(height - len(ours))]
    theirs += [right.blank() for _ in range(height - len(theirs))]
    return [[*one, *other] for one, other in zip(ours, theirs, strict=True)]


def _narrower(frame: Frame, width: int) -> Frame:
    return Frame(width, frame.glyphs, frame.now_ns, frame.scroll)


def _stack(
    snapshot: ClusterSnapshot, frame: Frame, height: int, panels: Sequence[Panel], *, airy: bool = True
) -> list[Line]:
    """The panels below each other, in at most so many lines. `airy`: with blank lines between them, if there is room."""
    shares, gaps = _shares([panel.heights(snapshot, frame) for panel in panels], height, airy=airy)
    drawn: list[Line] = []
    for panel, share in zip(panels, shares, strict=True):
        part = panel.draw(snapshot, frame, share) if share else []
        if part and gaps:
            drawn.append(frame.blank())
        drawn += part
    return drawn[:height]


def _shares(wanted: Sequence[tuple[int, ...]], height: int, *, airy: bool = True) -> tuple[list[int], bool]:
    """How many lines each panel gets, and whether blank ones go between them.

    In rounds: in each, every panel in turn goes up to its next height if all of that fits.
    """
    shares = [0] * len(wanted)
    left = height
    for step in range(max(map(len, wanted))):
        for number, heights in enumerate(wanted):
            more = heights[min(step, len(heights) - 1)] - shares[number]
            if step == 0:
                more = min(more, left)
            if more <= left:
                shares[number] += more
                left -= more
    gaps = sum(share > 0 for share in shares)
    spaced = airy and left >= gaps
    shares[-1] = max(shares[-1], min(wanted[-1][-1], shares[-1] + left - gaps * spaced))
    return shares, spaced


class Dashboard:
    """A snapshot as a rich renderable that fills the console, or the part of a layout that it is put into."""

    def __init__(self, snapshot: ClusterSnapshot, view: View) -> None:
        self.snapshot = snapshot
        self.view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        yield Lines(lines(self.snapshot, options.max_width, height, self.view))


def render(snapshot: ClusterSnapshot, view: View | None = None) -> RenderableType:
    """The dashboard for `Console.print`: a pure function of the snapshot and the view."""
    return Dashboard(snapshot, view or View())


__all__ = ["Dashboard", "View", "lines", "natural_height", "render"]

if __name__ == "__main__":
    from picluster.dashboard.example import DEMO_KEYS, SCENES

    console = Console()
    for scene in SCENES.values():
        console.print(render(scene, View(keys=DEMO_KEYS)))
