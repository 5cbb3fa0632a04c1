"""How a node's state looks on its lamps: one colour and one way of blinking for each state.

Two rules shaped the table. A lit state never shares both colour and pattern with another, so the lamps are unambiguous. And
the pattern alone tells what matters, for people who do not see red and green apart and for boards with a single lamp:

    solid        it holds an address
    heartbeat    alive and waiting for its turn
    slow         alive, takes no address, and is meant not to
    fast         somebody should look
    dark         gone

Nothing flashes more than three times in any second, the limit for flashes that are safe to look at (WCAG 2.2, success
criterion 2.3.1), and nothing changes faster than a dashboard that draws eight times a second can show.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from picluster.model.boards import Colour
from picluster.model.snapshot import NodeState
from picluster.model.timing import NANOSECONDS_PER_MS


class Pattern(enum.Enum):
    """A way of blinking: the lengths in milliseconds of light, dark, light, dark …, then from the start."""

    SOLID = (1,)
    HEARTBEAT = (150, 150, 150, 1_050)
    """Two short flashes and a pause, like the kernel's LED trigger of this name."""
    SLOW = (1_000, 1_000)
    FAST = (200, 200)
    OFF = (0, 1)

    @property
    def period_ms(self) -> int:
        return sum(self.value)


@dataclass(frozen=True, slots=True)
class Light:
    """What a node shows."""

    colour: Colour | None
    """None where nothing is lit."""
    pattern: Pattern
    reason: str
    """Why it looks like this, for the legend."""


LIGHTS: Mapping[NodeState, Light] = {
    NodeState.HOLDER: Light(Colour.GREEN, Pattern.SOLID, "steady green: the address is here"),
    NodeState.READY: Light(Colour.GREEN, Pattern.HEARTBEAT, "alive, and could take over at once"),
    NodeState.WITNESS: Light(Colour.GREEN, Pattern.SLOW, "alive and voting, never takes an address"),
    NodeState.STANDBY: Light(Colour.AMBER, Pattern.SLOW, "told to take no address; safe to unplug"),
    NodeState.STARTING: Light(Colour.AMBER, Pattern.HEARTBEAT, "coming up, not counted yet"),
    NodeState.DEGRADED: Light(Colour.AMBER, Pattern.FAST, "alive, but unfit or badly connected"),
    NodeState.NO_QUORUM: Light(Colour.RED, Pattern.FAST, "hears no majority: it may hold nothing"),
    NodeState.LEFT: Light(None, Pattern.OFF, "stopped on purpose"),
    NodeState.SILENT: Light(None, Pattern.OFF, "without power, or out of reach"),
}


def lit(pattern: Pattern, now_ns: int) -> bool:
    """Whether a lamp that blinks like this is on at that moment (nanoseconds of any clock that only goes forward)."""
    moment_ms = now_ns // NANOSECONDS_PER_MS % pattern.period_ms
    for phase, length_ms in enumerate(pattern.value):
        if moment_ms < length_ms:
            return phase % 2 == 0
        moment_ms -= length_ms
    return False
