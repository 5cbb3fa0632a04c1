"""The few styles in use. Text is the terminal's own foreground; colour is for what has a meaning.

Each colour keeps a contrast of at least 3:1 against white and against black (WCAG 2.2, success criterion 1.4.11), as it is
and as the nearest of the 256 colours of older terminals; the tests compute it. Terminals with 16 colours show their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style

from picluster.model.boards import Colour
from picluster.model.events import Severity
from picluster.model.snapshot import Health

GREEN = "#22963f"
AMBER = "#b7791f"
RED = "#e03e3e"
BLUE = "#3b82d6"

PLAIN = Style.null()
STRONG = Style(bold=True)
QUIET = Style(dim=True)
GOOD = Style(color=GREEN)
WARNING = Style(color=AMBER)
BAD = Style(color=RED, bold=True)
ALARM = Style(color=RED, bold=True, reverse=True)
NAME = Style(color=BLUE, bold=True)
"""Whoever answers: the one thing that the eye should find first."""
FILLING = Style(color=BLUE)

LAMPS: Mapping[Colour, Style] = {
    Colour.GREEN: Style(color=GREEN, bold=True),
    Colour.AMBER: Style(color=AMBER, bold=True),
    Colour.RED: Style(color=RED, bold=True),
}
LAMPS_UNLIT: Mapping[Colour, Style] = {
    Colour.GREEN: Style(color=GREEN, dim=True),
    Colour.AMBER: Style(color=AMBER, dim=True),
    Colour.RED: Style(color=RED, dim=True),
}

SEVERITIES: Mapping[Severity, Style] = {Severity.INFO: PLAIN, Severity.WARNING: WARNING, Severity.BAD: BAD}
HEALTH: Mapping[Health, Style] = {
    Health.HEALTHY: Style(color=GREEN, bold=True),
    Health.DEGRADED: Style(color=AMBER, bold=True),
    Health.DOWN: ALARM,
}
