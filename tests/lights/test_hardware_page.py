"""`hardware.md` names the pins of every board as the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.model.boards import BOARDS

PAGE = Path(__file__).parents[2] / "hardware.md"


@pytest.mark.parametrize("name", BOARDS)
def test_the_page_names_the_pins_that_the_code_uses(name: str) -> None:
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}`"))
    for colour, pin in BOARDS[name].pins.items():
        assert f"{colour.value} {pin}" in row
