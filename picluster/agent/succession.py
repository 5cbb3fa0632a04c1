"""Who took each address last, over many looks at the cluster. Pure.

What a node said last is believed for a while after it has died. If it held an address then, and another has taken that
since, the dead one's word is void; and it stays so when the other one has let go again. One look at the cluster cannot tell:
there the void word may be the only one that is left. Whoever looks again and again can remember.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from picluster.agent.overview import Testimony
from picluster.model.messages import Held


class Succession:
    """Remembers, for one observer, who took which address last, and when."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[str, int]] = {}

    def valid(self, testimonies: Mapping[str, Testimony], now_ns: int) -> dict[str, Testimony]:
        """The testimonies without the claims to addresses that another has taken since."""
        for name, testimony in testimonies.items():
            for held in _claims(testimony):
                self._note(held.address, name, now_ns - testimony.age_ns - held.held_for_us * 1_000)
        return {name: self._without_void(name, testimony) for name, testimony in testimonies.items()}

    def _note(self, address: str, name: str, taken_ns: int) -> None:
        holder, latest_ns = self._latest.get(address, (name, taken_ns))
        if holder == name or taken_ns > latest_ns:
            self._latest[address] = name, taken_ns

    def _without_void(self, name: str, testimony: Testimony) -> Testimony:
        if testimony.heartbeat is None:
            return testimony
        valid = tuple(held for held in testimony.heartbeat.holds if self._latest[held.address][0] == name)
        return replace(testimony, heartbeat=replace(testimony.heartbeat, holds=valid))


def _claims(testimony: Testimony) -> tuple[Held, ...]:
    return () if testimony.heartbeat is None else testimony.heartbeat.holds
