"""Who changes the configuration: voters come and go one at a time, and each step is confirmed before the next is taken.

A step from epoch e to e + 1 is followed by one to e + 2 only when a majority of the voters of e and a majority of those of
e + 1 live by e + 1 or later, and one longest lease with its margin has passed since. Then nobody can hold by the votes of
epoch e any more, and only neighbours are in force. A node that missed a step is restarted with the newest configuration.

The controller of a simulation is also *wild* at times: it hands out configurations with voters two apart. They are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from picluster.errors import TransitionError
from picluster.failover.effects import Effect
from picluster.failover.member import Member
from picluster.model.inventory import Configuration
from picluster.model.timing import grant_length_ns
from picluster.simulated.machine import Machine
from picluster.simulated.plan import retime
from picluster.simulated.timeline import NEVER_NS, Timeline


class Controller:
    """One person with a laptop. All times are true ones."""

    def __init__(
        self, timeline: Timeline, machines: Mapping[str, Machine], configuration: Configuration, chance: Random
    ) -> None:
        self.newest = configuration
        self.longest_lease_ns = configuration.timing.lease_ns
        self._before = configuration
        self._timeline = timeline
        self._machines = machines
        self._chance = chance
        self._confirmed_ns: int | None = -NEVER_NS

    def step(self) -> bool:
        """Issue the next configuration, if that may be done already."""
        if not self._may_step():
            return False
        chance = self._chance
        changed = self._other_voters(1)
        changed = retime(chance, changed) if chance.random() < 0.3 else changed
        self._before = self.newest
        self._confirmed_ns = None
        self._issue(replace(changed, epoch=self.newest.epoch + 1))
        return True

    def change_lease(self) -> bool:
        """Another term: that needs no step, since claims carry theirs."""
        self._issue(retime(self._chance, self.newest))
        return True

    def _issue(self, configuration: Configuration) -> None:
        self.newest = configuration
        self.longest_lease_ns = max(self.longest_lease_ns, configuration.timing.lease_ns)
        for machine in self._machines.values():
            self._push_soon(machine)

    def go_wild(self) -> bool:
        """Hand some nodes a configuration that is two voters away from theirs."""
        wild = replace(self._other_voters(2), epoch=self.newest.epoch + 1)
        if len(set(wild.voters) ^ set(self.newest.voters)) < 2:
            return False
        for machine in self._machines.values():
            if self._chance.random() < 0.5:
                self._timeline.after(self._soon_ns(), self._push, machine, wild)
        return True

    def push_all(self) -> None:
        """For the calm at the end: everybody gets the newest, at once."""
        for machine in self._machines.values():
            self._push(machine, self.newest)

    def _may_step(self) -> bool:
        if self._confirmed_ns is None:
            newest = self.newest.epoch
            current = {name for name, machine in self._machines.items() if machine.on_disk.epoch >= newest}
            if all(2 * len(current.intersection(one.voters)) > len(one.voters) for one in (self._before, self.newest)):
                self._confirmed_ns = self._timeline.now_ns
            return False
        # Twice the margin: once for the grant, once for the controller's own clock.
        return self._timeline.now_ns >= self._confirmed_ns + grant_length_ns(grant_length_ns(self.longest_lease_ns))

    def _other_voters(self, steps: int) -> Configuration:
        """The newest configuration with so many voters more, or less, or exchanged."""
        voters = list(self.newest.voters)
        for _ in range(steps):
            outside = [name for name in self._machines if name not in voters and name not in self.newest.voters]
            leaving = [name for name in voters if name in self.newest.voters]
            if outside and (len(voters) < 3 or self._chance.random() < 0.5):
                voters.append(self._chance.choice(outside))
            elif len(leaving) > 2:
                voters.remove(self._chance.choice(leaving))
        return replace(self.newest, voters=tuple(voters))

    def _push_soon(self, machine: Machine) -> None:
        self._timeline.after(self._soon_ns(), self._push_until_it_arrives, machine, self.newest)

    def _push_until_it_arrives(self, machine: Machine, configuration: Configuration) -> None:
        if configuration is self.newest and not self._push(machine, configuration):
            self._push_soon(machine)

    def _push(self, machine: Machine, configuration: Configuration) -> bool:
        """Write it to the disk and live by it; False where nobody is there to take it."""
        process = machine.process
        if process is None or not machine.settled or machine.on_disk.epoch > configuration.epoch:
            return False
        if configuration is self.newest and configuration.epoch > machine.on_disk.epoch + 1:
            machine.on_disk = configuration
            machine.stop(self._soon_ns() // 10)
            return True

        def reconfigure(member: Member, local_ns: int) -> list[Effect]:
            try:
                effects = member.reconfigure(local_ns, configuration)
            except TransitionError:
                return []
            machine.on_disk = configuration
            return effects

        process.order(f"reconfigure to epoch {configuration.epoch}, voters {' '.join(configuration.voters)}", reconfigure)
        return machine.on_disk is configuration

    def _soon_ns(self) -> int:
        return int(self._chance.random() ** 2 * 3 * self.newest.timing.lease_ns)
