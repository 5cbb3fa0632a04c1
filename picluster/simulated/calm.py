"""What must happen once faults stop: every address that can be held is held within the promised time, and stays.

After calm has begun either everything works, or a minority of the voters is gone for good, or cut off for good. The promise,
with lease T, drift margin m, round trip r:

    T (1 + m)          until what voters granted to a dead holder has run out, or what they forgot (their quarantine)
    + T (1 + m)        where the candidates have just started: a stranger first lets one whole grant pass in silence
    + T / 3            since a candidate that has long been refused asks only so often
    + probe            where nobody knows of a holder before
    + a few r, retries and steps of rank; twelve retries, since two may collide once, and withdraw

and, where a kernel has refused or a foreign machine was there, the pause that follows.

Where an address goes back to a preferred node there is one more wait: its holder may hand it to a node that has just gone,
and whose last heartbeats still count. Such addresses have to be held at the end, whatever happened in between.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from picluster.failover.candidacy import BARRED_NS, FOREIGN_PAUSE_NS
from picluster.failover.effects import Effect
from picluster.failover.member import Member
from picluster.model.inventory import Configuration, FloatingAddress
from picluster.model.timing import NANOSECONDS_PER_MS, grant_length_ns
from picluster.simulated.controller import Controller
from picluster.simulated.faults import Faults
from picluster.simulated.machine import Machine
from picluster.simulated.oracle import Sin, Violation
from picluster.simulated.plan import Plan
from picluster.simulated.process import Surroundings


class Calm:
    """The second half of a run. All times are true ones."""

    def __init__(
        self,
        plan: Plan,
        shared: Surroundings,
        machines: dict[str, Machine],
        controller: Controller,
        faults: Faults,
        chance: Random,
    ) -> None:
        self.dark_ns = 0
        self.promised_ns = 0
        self._plan = plan
        self._shared = shared
        self._machines = machines
        self._controller = controller
        self._faults = faults
        self._chance = chance
        self._began_ns = 0
        self._present = list(machines)
        self._holders: dict[str, tuple[str, int]] = {}
        self._moved: dict[str, str] = {}

    # ── the first election ──────────────────────────────────────────────────────────────────────────────────────────

    def first_promise_ns(self) -> int:
        """When everything is held for the first time, if nothing is wrong from the start."""
        return self._election_ns(self._plan.configuration)

    def check_spread(self) -> None:
        """Everything is held, and equals hold equally many."""
        addresses = self._plan.configuration.addresses
        holders = {floating.name: self._holder(floating) for floating in addresses}
        for name, holder in holders.items():
            if not holder:
                self._violated(Sin.DARK, f"{name} is not held after a first election without faults")
        priorities = {candidate.priority for floating in addresses for candidate in floating.candidates}
        if len(priorities) == 1 and len({floating.candidate_names for floating in addresses}) == 1:
            counts = Counter(dict.fromkeys(addresses[0].candidate_names, 0))
            counts.update(holders.values())
            if max(counts.values()) - min(counts.values()) > 1:
                self._violated(Sin.UNEVEN, f"addresses are spread unevenly: {dict(counts)}")

    # ── after the faults ────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Stop all faults, and decide who is there for the rest."""
        self._began_ns = self._shared.timeline.now_ns
        self._shared.timeline.forget(self._shared.post.values())
        self._faults.end()
        self._catch_up()
        if self._chance.random() < 0.5:
            self._lose_a_minority()
        if self._shared.journal:
            self._shared.journal.note("", f"☼ calm; present: {' '.join(self._present)}")

    def promise_ns(self) -> int:
        """When every address that can be held is held."""
        newest = self._controller.newest
        voters = [self._machines[name] for name in newest.voters if name in self._present]
        free_ns = sorted(machine.votes_from_ns for machine in voters)[len(newest.voters) // 2]
        held_up_ns = self._controller.longest_lease_ns if self._anybody_held_up() else 0
        pause_ns = max(BARRED_NS, FOREIGN_PAUSE_NS) if self._faults.last_refusal_ns >= 0 else 0
        begin_ns = max(self._began_ns + held_up_ns, free_ns, _by_any_clock(self._faults.last_refusal_ns + pause_ns))
        promise_ns = begin_ns + self._election_ns(newest)
        self.promised_ns = promise_ns - self._began_ns
        return promise_ns

    def check_held(self) -> None:
        """The promise is due."""
        for floating in self._controller.newest.addresses:
            if not self._can_be_held(floating):
                continue
            holder = self._holder(floating)
            taken_ns = self._shared.oracle.taken_ns.get(floating.name, 0)
            if floating.failback:
                continue
            if holder:
                self.dark_ns = max(self.dark_ns, taken_ns - self._began_ns)
                self._holders[floating.name] = (holder, taken_ns)
            else:
                self.dark_ns = self.promised_ns
                text = f"{floating.name} is held by nobody {self.promised_ns / 1e6:.3f} ms after calm began"
                self._violated(Sin.DARK, text)
        self._ask_for_a_move()

    def check_rest(self) -> None:
        """Whoever held then holds now, and has held all the time; what was asked to move has moved."""
        for floating in self._controller.newest.addresses:
            if floating.failback and self._can_be_held(floating) and not self._holder(floating):
                self._violated(Sin.DARK, f"{floating.name} is held by nobody at the end of calm")
            if floating.name not in self._holders:
                continue
            before, now = self._holders[floating.name], self._holder(floating)
            wanted = self._moved.get(floating.name)
            if wanted is not None and now != wanted:
                self._violated(
                    Sin.MOVE_LOST, f"{floating.name} was to move from {before[0]} to {wanted}, and is at {now or 'nobody'}"
                )
            taken_ns = self._shared.oracle.taken_ns[floating.name]
            if wanted is None and (now, taken_ns) != before:
                self._violated(Sin.RESTLESS, f"{floating.name} went from {before[0]} to {now or 'nobody'} in calm")

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _election_ns(self, configuration: Configuration) -> int:
        timing, nodes = configuration.timing, len(self._machines)
        grant_ns = grant_length_ns(max(self._controller.longest_lease_ns, timing.lease_ns))
        steps_ns = (nodes + 1) * timing.rank_step_ns + 12 * timing.retry_ns
        slowest_ns = grant_ns + timing.lease_ns // 3 + timing.probe_ns + steps_ns
        return _by_any_clock(slowest_ns) + 6 * self._plan.weather.round_trip_ns

    def _catch_up(self) -> None:
        """Everybody lives by the newest configuration; who missed more than one step is restarted with it."""
        newest = self._controller.newest
        for machine in self._machines.values():
            if newest.epoch > machine.on_disk.epoch + 1:
                machine.crash()
                machine.on_disk = newest
                machine.start()
        self._controller.push_all()

    def _lose_a_minority(self) -> None:
        voters = self._controller.newest.voters
        gone = self._chance.sample(voters, self._chance.randint(0, (len(voters) - 1) // 2))
        gone += [name for name in self._machines if name not in voters and self._chance.random() < 0.3]
        self._present = [name for name in self._machines if name not in gone]
        if self._chance.random() < 0.5:
            for name in gone:
                self._machines[name].cut_power()
        else:
            links = [(one, other) for one in self._machines for other in self._machines]
            self._shared.network.cut(link for link in links if (link[0] in gone) != (link[1] in gone))

    def _ask_for_a_move(self) -> None:
        movable = [
            floating
            for floating in self._controller.newest.addresses
            if floating.name in self._holders and len(self._candidates(floating)) > 1
        ]
        if movable and self._chance.random() < 0.5:
            floating = self._chance.choice(movable)
            holder = self._holders[floating.name][0]
            to = self._chance.choice([name for name in self._candidates(floating) if name != holder])
            self._moved[floating.name] = to
            after_ns = 4 * self._controller.newest.timing.heartbeat_ns
            self._shared.timeline.after(after_ns, self._move, floating.name, holder, to)

    def _move(self, address: str, holder: str, to: str) -> None:
        process = self._machines[holder].process
        assert process is not None

        def give(member: Member, local_ns: int) -> list[Effect]:
            try:
                return member.move(local_ns, address, to)
            except ValueError as refused:
                self._violated(Sin.MOVE_LOST, str(refused))
                return []

        process.order(f"move {address} to {to}", give)

    def _anybody_held_up(self) -> bool:
        return any(machine.process is not None and machine.process.busy for machine in self._machines.values())

    def _candidates(self, floating: FloatingAddress) -> list[str]:
        return [name for name in floating.candidate_names if name in self._present]

    def _can_be_held(self, floating: FloatingAddress) -> bool:
        return bool(self._candidates(floating))

    def _holder(self, floating: FloatingAddress) -> str:
        return self._shared.oracle.holder(self._shared.timeline.now_ns, floating.name)

    def _violated(self, sin: Sin, text: str) -> None:
        self._shared.oracle.violations.append(Violation(sin, self._shared.timeline.now_ns, text))


def _by_any_clock(duration_ns: int) -> int:
    """The longest that a duration may last in true time, and a little more for rounding."""
    return duration_ns + duration_ns // 150 + NANOSECONDS_PER_MS // 100
