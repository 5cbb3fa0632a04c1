"""Which lamps of a board stand in for a colour that the board lacks.

Amber is red and green lit together, as in every two-colour LED; where that cannot be had, and for the other colours, the
nearest lamp lights. So a board with one lamp still shows every pattern.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from picluster.model.boards import BOARDS, Colour
from picluster.model.inventory import Wiring

NEAREST: Mapping[Colour, tuple[Colour, ...]] = {
    Colour.GREEN: (Colour.AMBER, Colour.RED),
    Colour.AMBER: (Colour.RED, Colour.GREEN),
    Colour.RED: (Colour.AMBER, Colour.GREEN),
}


def colours(wiring: Wiring) -> tuple[Colour, ...]:
    """The colours that a node can show; empty where nothing is wired."""
    if wiring.pins:
        return tuple(Colour(name) for name in wiring.pins)
    board = BOARDS.get(wiring.kind)
    return tuple(board.pins) if board else ()


def lamps(colour: Colour, available: Collection[Colour]) -> tuple[Colour, ...]:
    """The lamps to light for a colour; empty only where the board has none at all."""
    if colour in available:
        return (colour,)
    if colour is Colour.AMBER and Colour.RED in available and Colour.GREEN in available:
        return (Colour.RED, Colour.GREEN)
    return tuple(other for other in NEAREST[colour] if other in available)[:1]
