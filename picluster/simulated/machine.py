"""One simulated machine: power, clock, kernel, what is written on its disk and in its /run, and the process that runs on it.

A crash of the process leaves the kernel's gates and the boot record alone. A power cut takes both away; the disk stays.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from picluster.failover.effects import Effect
from picluster.failover.member import Member
from picluster.failover.voter import quarantine_ns
from picluster.model.inventory import Configuration
from picluster.simulated.clock import DriftingClock, draw_rate
from picluster.simulated.kernel import Kernel
from picluster.simulated.process import Packet, Process, Surroundings


class Machine:
    """One node, over all its boots. All times are true ones, except where a name says local."""

    def __init__(self, name: str, shared: Surroundings, configuration: Configuration, chance: Random) -> None:
        self.name = name
        self.on_disk = configuration
        """The configuration with which the next process starts."""
        self.longest_term_us: int | None = None
        """What the boot record says."""
        self.powered = True
        self.process: Process | None = None
        self._shared = shared
        self._timeline = shared.timeline
        self._chance = chance
        self._runs = 0
        self._restart_after_ns = 0
        self._switched_on_ns = -chance.randrange(6_000_000_000, 100_000_000_000)
        self.clock = DriftingClock(self._switched_on_ns, draw_rate(chance))
        self.kernel = Kernel(self.clock)
        shared.post[name] = self.deliver

    @property
    def running(self) -> bool:
        return self.process is not None

    @property
    def settled(self) -> bool:
        """Running, and not on its way out."""
        return self.process is not None and not self.process.member.stopping

    @property
    def votes_from_ns(self) -> int:
        """When its voter's quarantine ends; only for a machine that runs."""
        assert self.process is not None
        return self.clock.true_ns(self.process.votes_from_local_ns)

    def deliver(self, packet: Packet) -> None:
        if self.process is not None:
            self.process.deliver(packet)

    def order(self, name: str, give: Callable[[Member, int], list[Effect]]) -> bool:
        """Somebody wants something of the process, if there is one."""
        if self.process is not None:
            self.process.order(name, give)
        return self.process is not None

    def start(self) -> None:
        """Start the agent's process, on a clean slate: every gate is shut before its first word."""
        if self.process is not None or not self.powered:
            return
        for address in self.kernel.open_addresses(self._timeline.now_ns):
            self.kernel.let_go(address)
            self._shared.oracle.shut(address, self.name)
        local_ns = self.clock.local_ns(self._timeline.now_ns)
        votes_from_ns = local_ns + quarantine_ns(self.longest_term_us, local_ns)
        self.longest_term_us = max(self.longest_term_us or 0, self.on_disk.timing.lease_ms * 1_000)
        self._runs += 1
        self._note(f"starts, run {self._runs}, epoch {self.on_disk.epoch}")
        self.process = Process(self, self._shared, self.on_disk, self._runs, votes_from_local_ns=votes_from_ns)

    def crash(self) -> None:
        """The process is gone; the kernel does not care."""
        if self.process is not None:
            self._note("crashes")
            self.process.end()
            self.process = None

    def stop(self, restart_after_ns: int) -> None:
        """A graceful stop, and a new start a while after it is done."""
        self._restart_after_ns = restart_after_ns
        self.order("stop", lambda member, local_ns: member.stop(local_ns))

    def process_ended(self) -> None:
        """The process has stopped as it was asked to."""
        self._note("has stopped")
        self.process = None
        self._timeline.after(self._restart_after_ns, self.start)

    def cut_power(self) -> None:
        self._note("loses power")
        if self.process is not None:
            self.process.end()
            self.process = None
        for address in self.kernel.open_addresses(self._timeline.now_ns):
            self._shared.oracle.shut(address, self.name)
        self.powered = False
        self.longest_term_us = None

    def boot(self, until_agent_ns: int) -> None:
        """Power is back; the agent starts when the machine has come up."""
        if self.powered:
            return
        self._note(f"boots, {until_agent_ns / 1e6:.3f} ms until the agent starts")
        self.powered = True
        refuses_hold, refuses_let_go = self.kernel.refuses_hold, self.kernel.refuses_let_go
        self.clock = DriftingClock(self._timeline.now_ns, draw_rate(self._chance))
        self.kernel = Kernel(self.clock)
        self.kernel.refuses_hold, self.kernel.refuses_let_go = refuses_hold, refuses_let_go
        self._timeline.after(until_agent_ns, self.start)

    def _note(self, text: str) -> None:
        if self._shared.journal:
            self._shared.journal.note(self.name, f"■ {text}")
