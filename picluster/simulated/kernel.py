"""One machine's kernel, as far as floating addresses go: a gate for each, that shuts by itself when its lease has run out.

It is the simulated counterpart of the nftables set with timeouts: it goes by the machine's clock, and does not care
whether the agent's process is running, frozen or gone. Only a power cut shuts every gate at once.
"""

from __future__ import annotations

from picluster.simulated.clock import DriftingClock


class Kernel:
    """The gates of one machine in one boot. All times are true ones, except where a name says local."""

    __slots__ = ("_clock", "_open_until_ns", "refuses_hold", "refuses_let_go")

    def __init__(self, clock: DriftingClock) -> None:
        self._clock = clock
        self._open_until_ns: dict[str, int] = {}
        self.refuses_hold = False
        self.refuses_let_go = False

    def hold(self, address: str, local_until_ns: int, now_ns: int) -> int:
        """Open the gate, or keep it open, until the clock shows that. The true time at which it will shut; 0 if that moment
        has passed, and then it is shut."""
        if self._clock.local_ns(now_ns) >= local_until_ns:
            self._open_until_ns.pop(address, None)
            return 0
        until_ns = self._clock.true_ns(local_until_ns)
        self._open_until_ns[address] = until_ns
        return until_ns

    def let_go(self, address: str) -> None:
        self._open_until_ns.pop(address, None)

    def is_open(self, address: str, now_ns: int) -> bool:
        return now_ns < self._open_until_ns.get(address, 0)

    def open_addresses(self, now_ns: int) -> tuple[str, ...]:
        return tuple(address for address, until_ns in self._open_until_ns.items() if now_ns < until_ns)

    @property
    def latest_end_ns(self) -> int:
        """When the last gate will have shut, if nothing is done."""
        return max(self._open_until_ns.values(), default=0)
