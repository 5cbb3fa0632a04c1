"""What must never happen, checked at every true instant at which it could begin.

The oracle keeps its own books. It does not ask a `Voter` what it has granted: it notes each promise from what went over the
wire and when, in true time, by the rule as it is written down (from the receipt of the claim, for its term and the margin,
on the voter's clock). So a voter that keeps its books wrongly is found out. The voter's crash does not end its promise.

    two holders     two machines answer for one address at one true instant
    unbacked        a gate is open, and no majority of the holder's voters stands by it until the gate shuts
    spoke too soon  a release was said while the gate was open
    still there     a node on standby answers

The first is what users care for. The second is what the proof says on the way to it, and is hurt much sooner and oftener.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Sin(enum.Enum):
    """What the oracle and the calm phase look for."""

    TWO_HOLDERS = "two holders"
    UNBACKED = "unbacked"
    SPOKE_TOO_SOON = "spoke too soon"
    STILL_THERE = "still there"
    DARK = "dark"
    """After calm: not held within the promised time."""
    RESTLESS = "restless"
    """After calm: moved without a reason."""
    UNEVEN = "uneven"
    """Equal nodes, and one of them holds two addresses more than another."""
    MOVE_LOST = "move lost"
    """A move was asked for in calm, and did not arrive."""


@dataclass(frozen=True, slots=True)
class Violation:
    sin: Sin
    true_ns: int
    text: str

    def __str__(self) -> str:
        return f"{self.sin.value} at {self.true_ns / 1e6:.3f} ms: {self.text}"


@dataclass(slots=True)
class Promise:
    """A voter stands by a node until then."""

    node: str
    incarnation: int
    number: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Opening:
    """A gate that is open until then (true time), by the votes of these."""

    node: str
    incarnation: int
    until_ns: int
    voters: tuple[str, ...]


class Oracle:
    """All times are true ones."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.taken_ns: dict[str, int] = {}
        """When an address's present or latest holder began to answer."""
        self._promises: dict[tuple[str, str], Promise] = {}
        self._openings: dict[str, dict[str, Opening]] = {}

    # ── promises ────────────────────────────────────────────────────────────────────────────────────────────────────

    def promised(self, now_ns: int, voter: str, address: str, promise: Promise) -> None:
        """A voter granted a claim for real."""
        key = (voter, address)
        before = self._promises.get(key)
        if before is not None and (before.node, before.incarnation) == (promise.node, promise.incarnation):
            before.number = promise.number
            before.until_ns = max(before.until_ns, promise.until_ns)
            return
        self._promises[key] = promise
        if before is not None:
            self._look_after(now_ns, address, before.node)

    def released(self, now_ns: int, voter: str, address: str, node: str, incarnation: int, number: int) -> None:
        """A voter learnt that a node takes its claims up to that number back."""
        promise = self._promises.get((voter, address))
        if promise is None or (promise.node, promise.incarnation) != (node, incarnation) or promise.number > number:
            return
        del self._promises[voter, address]
        self._look_after(now_ns, address, node)

    # ── gates ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def opened(self, now_ns: int, address: str, opening: Opening) -> None:
        """A kernel opened a gate, or keeps it open for longer."""
        openings = self._openings.setdefault(address, {})
        for other in openings.values():
            if other.node != opening.node and now_ns < other.until_ns:
                text = f"{address} is answered by {other.node} and by {opening.node}"
                self.violations.append(Violation(Sin.TWO_HOLDERS, now_ns, text))
        if not self.is_open(now_ns, address, opening.node):
            self.taken_ns[address] = now_ns
        openings[opening.node] = opening
        self._look_after(now_ns, address, opening.node)

    def shut(self, address: str, node: str) -> None:
        """A gate is shut before its time."""
        self._openings.get(address, {}).pop(node, None)

    def is_open(self, now_ns: int, address: str, node: str) -> bool:
        opening = self._openings.get(address, {}).get(node)
        return opening is not None and now_ns < opening.until_ns

    def holder(self, now_ns: int, address: str) -> str:
        """Who answers; empty if nobody does."""
        for opening in self._openings.get(address, {}).values():
            if now_ns < opening.until_ns:
                return opening.node
        return ""

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def said_released(self, now_ns: int, address: str, node: str) -> None:
        if self.is_open(now_ns, address, node):
            text = f"{node} says that it has released {address}, and still answers for it"
            self.violations.append(Violation(Sin.SPOKE_TOO_SOON, now_ns, text))

    def obeyed_standby(self, now_ns: int, node: str, open_addresses: tuple[str, ...]) -> None:
        if open_addresses:
            text = f"{node} is on standby, and answers for {', '.join(open_addresses)}"
            self.violations.append(Violation(Sin.STILL_THERE, now_ns, text))

    def _look_after(self, now_ns: int, address: str, node: str) -> None:
        """Whether the open gate of that node still rests on a majority."""
        opening = self._openings.get(address, {}).get(node)
        if opening is None or now_ns >= opening.until_ns:
            return
        standing = 0
        for voter in opening.voters:
            promise = self._promises.get((voter, address))
            if promise is not None and promise.node == node and promise.incarnation == opening.incarnation:
                standing += promise.until_ns >= opening.until_ns
        if 2 * standing <= len(opening.voters):
            left, voters = f"{(opening.until_ns - now_ns) / 1e6:.3f} ms", len(opening.voters)
            text = f"{node} answers for {address} for {left} more; {standing} of {voters} voters stand by it"
            self.violations.append(Violation(Sin.UNBACKED, now_ns, text))
