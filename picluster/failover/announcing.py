"""When the holder of an address tells its neighbours: at once, a few times soon after, and then now and then.

RFC 5227 section 2.3 asks for two announcements two seconds apart. Switches and access points lose broadcasts, and every
neighbour that missed one talks to the old holder until its cache expires: so there are more, the first ones close together.

All of it begins anew when a peer that had been silent is heard again. A part of the network may have been cut off, and the
neighbours in there have heard nothing of a new holder, or have heard the old one last: they would go on talking to it for as
long as their systems trust what they know, up to a minute.
"""

from __future__ import annotations

from picluster.failover.ballot import NEVER_NS
from picluster.model.timing import NANOSECONDS_PER_MS

SOON_AFTER_NS = tuple(ms * NANOSECONDS_PER_MS for ms in (0, 50, 200, 1_000, 3_000))
"""After the address was taken."""
EVERY_NS = 60_000 * NANOSECONDS_PER_MS


class Announcements:
    """The schedule of one address's announcements. Idle until it begins."""

    def __init__(self) -> None:
        self.due_ns = NEVER_NS
        self._taken_ns = 0
        self._said = 0

    def begin(self, now_ns: int) -> None:
        """The address has just been taken, or a part of the network may have missed that it was."""
        self.due_ns, self._taken_ns, self._said = now_ns, now_ns, 0

    def said(self, now_ns: int) -> None:
        """The announcement that was due has been made."""
        self._said += 1
        soon = self._said < len(SOON_AFTER_NS)
        self.due_ns = self._taken_ns + SOON_AFTER_NS[self._said] if soon else now_ns + EVERY_NS
