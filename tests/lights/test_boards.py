"""A board shows every state with the lamps that it has."""

from __future__ import annotations

import itertools

import pytest

from picluster.lights.boards import colours, lamps
from picluster.model.boards import BOARDS, HIGHEST_PIN, Colour
from picluster.model.inventory import Wiring

RED, AMBER, GREEN = Colour.RED, Colour.AMBER, Colour.GREEN


@pytest.mark.parametrize(
    ("wiring", "expected"),
    [
        (Wiring("none"), ()),
        (Wiring("traffic-light"), (RED, AMBER, GREEN)),
        (Wiring("status-zero"), (GREEN, RED)),
        (Wiring("leds", {"amber": 17}), (AMBER,)),
    ],
)
def test_the_colours_of_a_wiring(wiring: Wiring, expected: tuple[Colour, ...]) -> None:
    assert colours(wiring) == expected


@pytest.mark.parametrize(
    ("colour", "available", "expected"),
    [
        (AMBER, (RED, AMBER, GREEN), (AMBER,)),
        (AMBER, (GREEN, RED), (RED, GREEN)),
        (AMBER, (GREEN,), (GREEN,)),
        (GREEN, (RED, AMBER), (AMBER,)),
        (GREEN, (RED,), (RED,)),
        (RED, (GREEN, AMBER), (AMBER,)),
        (RED, (), ()),
    ],
)
def test_the_lamps_for_a_colour(colour: Colour, available: tuple[Colour, ...], expected: tuple[Colour, ...]) -> None:
    assert lamps(colour, available) == expected


def test_a_board_with_any_lamp_shows_every_colour_with_lamps_that_it_has() -> None:
    for count in (1, 2, 3):
        for available in itertools.combinations(Colour, count):
            for colour in Colour:
                shown = lamps(colour, available)
                assert shown
                assert set(shown) <= set(available)


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.pins])
def test_a_ready_made_board_uses_each_pin_of_the_header_once(name: str) -> None:
    pins = BOARDS[name].pins.values()
    assert len(set(pins)) == len(pins)
    assert all(0 <= pin <= HIGHEST_PIN for pin in pins)
