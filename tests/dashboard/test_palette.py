"""Every colour in use can be read on white and on black, as it is and on terminals with 256 colours."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet
from rich.style import Style

from picluster.dashboard import lamps, palette

WHITE, BLACK = ColorTriplet(255, 255, 255), ColorTriplet(0, 0, 0)


def luminance(colour: ColorTriplet) -> float:
    """WCAG 2.2, relative luminance."""

    def linear(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue)


def contrast(one: ColorTriplet, other: ColorTriplet) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def styles() -> dict[str, Style]:
    found: dict[str, Style] = {}
    for name, value in (*vars(palette).items(), *vars(lamps).items()):
        if isinstance(value, Style):
            found[name] = value
        elif isinstance(value, Mapping):
            found |= {f"{name}[{key}]": style for key, style in value.items() if isinstance(style, Style)}
    return found


def colours() -> set[str]:
    return {style.color.name for style in styles().values() if style.color is not None}


def test_the_formula_gives_the_known_extremes() -> None:
    assert contrast(WHITE, BLACK) == pytest.approx(21)
    assert contrast(WHITE, WHITE) == pytest.approx(1)


def test_the_palette_is_found() -> None:
    assert {palette.GREEN, palette.AMBER, palette.RED, palette.BLUE} == colours()


@pytest.mark.parametrize("system", [ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT], ids=lambda system: str(system.name))
@pytest.mark.parametrize("name", sorted(colours()))
def test_every_colour_stands_out_from_white_and_from_black(name: str, system: ColorSystem) -> None:
    seen = Color.parse(name).downgrade(system).get_truecolor()
    assert contrast(seen, WHITE) >= 3
    assert contrast(seen, BLACK) >= 3


def test_no_style_sets_a_ground() -> None:
    assert [name for name, style in styles().items() if style.bgcolor is not None] == []
