"""The pins of ready-made boards."""

from __future__ import annotations

import pytest

from picluster.model.boards import BOARDS, HIGHEST_PIN


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.pins])
def test_a_ready_made_board_uses_each_pin_of_the_header_once(name: str) -> None:
    pins = BOARDS[name].pins.values()
    assert len(set(pins)) == len(pins)
    assert all(0 <= pin <= HIGHEST_PIN for pin in pins)
