"""How often a holder says that it has let go: at once, and twice more. A lost release would cost its successor a lease."""

from __future__ import annotations

from picluster.failover.ballot import NEVER_NS
from picluster.model.messages import Release

REPEATS = 2


class Releases:
    """The repetitions of one address's latest release. Idle until it begins."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Release]] = []

    @property
    def due_ns(self) -> int:
        return self._waiting[0][0] if self._waiting else NEVER_NS

    def begin(self, now_ns: int, pause_ns: int, release: Release) -> None:
        """It has just been said for the first time."""
        self._waiting = [(now_ns + (k + 1) * pause_ns, release) for k in range(REPEATS)]

    def end(self) -> None:
        """Somebody has the address, or it was not let go of after all."""
        self._waiting.clear()

    def take_due(self, now_ns: int) -> list[Release]:
        """Those that are to be said now; each is given once."""
        due = [release for due_ns, release in self._waiting if now_ns >= due_ns]
        del self._waiting[: len(due)]
        return due
