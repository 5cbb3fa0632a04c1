"""A node's lamp on the screen: the state's own glyph, in the colour of the lamp on the board, blinking with it.

The glyph stays when the lamp is dark, so that the state can be read at any moment; it only loses its brightness.

    python -m picluster.dashboard.lamps
"""

from __future__ import annotations

from rich.style import Style

from picluster.dashboard.canvas import Frame, Line, Panel, Piece
from picluster.dashboard.palette import BAD, LAMPS, LAMPS_UNLIT, PLAIN, QUIET, WARNING
from picluster.lights.patterns import LIGHTS, lit
from picluster.model.snapshot import ClusterSnapshot, NodeState

WORDS: dict[NodeState, Style] = {
    NodeState.HOLDER: Style(bold=True),
    NodeState.DEGRADED: WARNING,
    NodeState.NO_QUORUM: BAD,
    NodeState.SILENT: BAD,
    NodeState.LEFT: QUIET,
}
"""How the state's word is written; all others in the terminal's foreground."""


def lamp(state: NodeState, frame: Frame) -> Piece:
    """The glyph of a state, as its lamp looks at the frame's moment. A silent node's lamp is dark, and its cross red."""
    glyph = frame.glyphs.states[state]
    light = LIGHTS[state]
    if light.colour is None:
        return glyph, word_style(state)
    is_lit = frame.now_ns is None or lit(light.pattern, frame.now_ns)
    return glyph, (LAMPS if is_lit else LAMPS_UNLIT)[light.colour]


def word_style(state: NodeState) -> Style:
    return WORDS.get(state, PLAIN)


def legend(frame: Frame) -> list[Line]:
    """Every state with its lamp, its word and its meaning."""
    return [
        frame.row(lamp(state, frame), (f" {frame.fit(state.value, 11)}", word_style(state)), (light.reason, QUIET))
        for state, light in LIGHTS.items()
    ]


def _draw(_snapshot: ClusterSnapshot, frame: Frame, height: int) -> list[Line]:
    return [frame.rule("states"), *legend(frame)][:height]


PANEL = Panel(_draw, lambda _snapshot, _frame: (1 + len(LIGHTS),))

if __name__ == "__main__":
    from picluster.dashboard.example import show

    show(PANEL)
