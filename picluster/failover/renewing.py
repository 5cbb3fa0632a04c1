"""When a holder renews its leases, and whom it asks.

A majority is enough to renew a lease, so a renewal asks no more voters than that; the voters take turns. Where there are
five, a voter so hears of every second renewal, and the holder gets two answers each time in place of four. Nothing is lost
by it: the first question that goes unanswered is followed by one to all voters, `retry_ms` later. And after a power cut the
address is free no later, since every majority of the others has in it one that was asked last.

All leases of one holder are renewed at the same moments and by the same voters. A machine that sleeps most of the time pays
for waking up, not for what it then does: here it wakes up once. And when the holder dies, all its addresses fall vacant
together, so that its successors can tell at once how many there are to share.
"""

from __future__ import annotations

from collections.abc import Sequence

OTHERS_EVERY = 2
"""Who only wants to know is told of every second renewal, well within a lease: the candidates that do not vote, and the
voters that did not answer of late. Whoever misses one and thinks the address vacant asks, and is told better; if it is, it
is told to the microsecond from when on."""


class Pulse:
    """The beat of one node, on its own clock. The phase is drawn by chance, so that nodes do not beat together."""

    def __init__(self, phase_ns: int) -> None:
        self._phase_ns = phase_ns

    def beat(self, now_ns: int, every_ns: int) -> int:
        """The number of the present beat, of those that are `every_ns` apart."""
        return (now_ns - self._phase_ns) // every_ns

    def next_ns(self, now_ns: int, every_ns: int) -> int:
        """When the next one begins."""
        return (self.beat(now_ns, every_ns) + 1) * every_ns + self._phase_ns


def committee(voters: Sequence[str], standing: Sequence[str], me: str, majority: int, beat: int) -> list[str]:
    """Who is asked in this beat: a majority of the voters out of those that stand by the holder, in turn, the holder's own
    vote included. Where too few stand by it, all voters."""
    mine = [me] if me in voters else []
    others = [voter for voter in standing if voter != me]
    needed = majority - len(mine)
    if len(others) < needed:
        return list(voters)
    first = beat * needed
    return mine + [others[(first + place) % len(others)] for place in range(needed)]
