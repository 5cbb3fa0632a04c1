"""Nodes at work, drawn."""

from __future__ import annotations

import io

from rich.console import Console

from picluster.controller.ledger import Ledger
from picluster.controller.progress import Kind, Progress
from picluster.dashboard.canvas import Frame
from picluster.dashboard.crew import CrewView, rows
from picluster.dashboard.glyphs import ASCII

DRAWN = """\
 ● pi1   ━━━━━━━━━━━━ 20/20   done                                          6.5 s
 · pi2   ━━━━━━────── 11/20   package nftables  unattended-upgrades has…    6.5 s
 ✕ pi3                        no answer on port 22                          6.5 s
 · pi10                       connecting                                    6.5 s"""


def ledger() -> Ledger:
    now = [0.0]
    made = Ledger(("pi1", "pi2", "pi3", "pi10"), lambda: now[0])
    now[0] = 6.5
    made.hear(Progress("pi1", Kind.STEP, "software", 19, 20))
    made.hear(Progress("pi1", Kind.ENDED, ""))
    made.hear(Progress("pi2", Kind.STEP, "package nftables", 11, 20))
    made.hear(Progress("pi2", Kind.WAIT, "unattended-upgrades has the lock"))
    made.hear(Progress("pi3", Kind.FAILED, "no answer on port 22\nsome more"))
    made.hear(Progress("pi10", Kind.STAGE, "connecting"))
    return made


def text_of(drawn: Frame) -> str:
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in rows(ledger(), drawn))


def test_each_node_has_a_line_that_fits() -> None:
    assert text_of(Frame(82)) == DRAWN
    for width in (20, 40, 200):
        assert all(sum(segment.cell_length for segment in line) == width for line in rows(ledger(), Frame(width)))


def test_plain_terminals_get_plain_characters() -> None:
    assert text_of(Frame(82, ASCII)).isascii()


def test_the_picture_makes_room_when_it_is_left() -> None:
    output = io.StringIO()
    view = CrewView(ledger(), Console(file=output, force_terminal=True, width=82))
    view.draw(now=True)
    view.leave()
    shown = output.getvalue()
    assert "package nftables" in shown
    assert shown.count("\x1b[2K") >= 4, "each of its lines is erased (ECMA-48 EL)"
    view.leave()
    assert output.getvalue() == shown, "it has been left already"
