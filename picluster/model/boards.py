"""The boards with lamps that an inventory may name, and which pin lights which colour.

Pins are BCM numbers, as on every pinout drawing of the 40-pin header; 0 to 27 are on it. The pins of ready-made boards are
fixed by their makers and agree with gpiozero's classes of the same boards (`gpiozero/boards.py`). GPIO 9, 10 and 11 are also
SPI0: with `dtparam=spi=on` in config.txt they belong to SPI, and a `traffic-light` stays dark.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

HIGHEST_PIN = 27
"""Highest BCM number on the 40-pin header."""


class Colour(enum.Enum):
    RED = "red"
    AMBER = "amber"
    GREEN = "green"


COLOURS = tuple(colour.value for colour in Colour)


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of board."""

    title: str
    """What it is sold as."""
    pins: Mapping[Colour, int] = field(default_factory=dict, hash=False)
    """BCM numbers by colour; empty where the inventory names them."""


BOARDS: Mapping[str, Board] = {
    "traffic-light": Board("Low Voltage Labs PI-TRAFFIC", {Colour.RED: 9, Colour.AMBER: 10, Colour.GREEN: 11}),
    "traffic-phat": Board("Pi Supply Traffic pHAT", {Colour.RED: 25, Colour.AMBER: 24, Colour.GREEN: 23}),
    "status-zero": Board("The Pi Hut STATUS Zero, first pair of lamps", {Colour.GREEN: 17, Colour.RED: 4}),
    "leds": Board("Single LEDs, each with its resistor"),
}
"""What `lights.board` of a node may name."""
