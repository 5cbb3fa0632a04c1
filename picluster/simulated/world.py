"""One world, from one seed: a first election, then faults for some dozen lease terms, then calm.

    world = World(seed)
    outcome = world.run()
    assert not outcome.violations

The same seed gives the same history on every machine. Each part draws its chances from a generator of its own, so that a
change in one of them does not turn every seed of the others into another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import cast

from picluster.failover.member import Member
from picluster.simulated.calm import Calm
from picluster.simulated.controller import Controller
from picluster.simulated.faults import Faults
from picluster.simulated.machine import Machine
from picluster.simulated.network import Network
from picluster.simulated.oracle import Oracle, Violation
from picluster.simulated.plan import Plan, draw_plan
from picluster.simulated.process import Surroundings, Witnessed
from picluster.simulated.timeline import Journal, Timeline


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one world. Times in true nanoseconds."""

    seed: int
    lasted_ns: int
    faults: Counter[str]
    moves: Counter[str]
    dark_ns: int
    """After calm, the longest that an address was held by nobody."""
    promised_ns: int
    """How long that may be at most, for the same address."""
    violations: tuple[Violation, ...]


class World:
    """A cluster, and what happens to it."""

    def __init__(
        self,
        seed: int,
        *,
        member_kind: type[Member] = Member,
        write: Callable[[str], None] | None = None,
        only: Iterable[str] | None = None,
    ) -> None:
        """`member_kind` lets a test put members with a broken rule in. `write` gets the transcript, line by line. `only`
        restricts the kinds of faults to these (see `plan.KINDS`)."""
        self.seed = seed
        self.plan: Plan = draw_plan(self._chance("plan"), None if only is None else frozenset(only))
        timeline = Timeline()
        self.shared = Surroundings(
            timeline=timeline,
            network=Network(self._chance("network"), self.plan.weather.calm),
            oracle=Oracle(),
            chance=self._chance("processes"),
            member_kind=witnessed(member_kind),
            journal=None if write is None else Journal(timeline, write),
        )
        configuration, machines = self.plan.configuration, self._chance("machines")
        self.machines = {name: Machine(name, self.shared, configuration, machines) for name in self.plan.nodes}
        self.controller = Controller(timeline, self.machines, configuration, self._chance("controller"))
        self.faults = Faults(self.plan, self.shared, self.machines, self.controller, self._chance("faults"))
        self.calm = Calm(self.plan, self.shared, self.machines, self.controller, self.faults, self._chance("calm"))

    def run(self) -> Outcome:
        """Live through it; stops at the first violation."""
        timeline, lease_ns = self.shared.timeline, self.plan.configuration.timing.lease_ns
        self.start()
        if self.plan.quiet_start:
            self._run_until(self.calm.first_promise_ns())
            self.calm.check_spread()
        self.faults.begin()
        self._run_until(timeline.now_ns + self.plan.terms_of_faults * lease_ns)
        if not self.shared.oracle.violations:
            self._calm_down()
        return Outcome(
            seed=self.seed,
            lasted_ns=timeline.now_ns,
            faults=self.faults.done,
            moves=self.shared.moves,
            dark_ns=self.calm.dark_ns,
            promised_ns=self.calm.promised_ns,
            violations=tuple(self.shared.oracle.violations),
        )

    def _calm_down(self) -> None:
        self.calm.begin()
        self._run_until(self.calm.promise_ns())
        if not self.shared.oracle.violations:
            self.calm.check_held()
        self._run_until(self.shared.timeline.now_ns + self.plan.terms_of_calm * self.plan.configuration.timing.lease_ns)
        if not self.shared.oracle.violations:
            self.calm.check_rest()

    def _chance(self, part: str) -> Random:
        return Random(f"{self.seed} {part}")

    def start(self) -> None:
        """Start the agents on all machines: at once in a quiet world, else one after the other."""
        chance, lease_ns = self._chance("start"), self.plan.configuration.timing.lease_ns
        for machine in self.machines.values():
            delay_ns = 0 if self.plan.quiet_start else int(chance.random() * lease_ns)
            self.shared.timeline.at(delay_ns, machine.start)

    def _run_until(self, true_ns: int) -> None:
        if not self.shared.oracle.violations:
            violations = self.shared.oracle.violations
            self.shared.timeline.run_until(true_ns, stop=lambda: bool(violations))


def witnessed(member_kind: type[Member]) -> type[Witnessed]:
    """That kind of member, with its own votes shown to the oracle."""
    if member_kind is Member:
        return Witnessed
    return cast("type[Witnessed]", type(f"Witnessed{member_kind.__name__}", (Witnessed, member_kind), {}))
