"""What goes wrong in a world: one small method for each kind of fault, drawn from the seed, each with a time to end.

Faults overlap freely. Most last from a tenth of a lease to a few leases, some much longer: that is the range in which
the rules have something to decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from picluster.failover.effects import Effect
from picluster.failover.member import Member
from picluster.simulated.controller import Controller
from picluster.simulated.machine import Machine
from picluster.simulated.network import Weather
from picluster.simulated.plan import Plan
from picluster.simulated.process import Surroundings

Link = tuple[str, str]


class Faults:
    """Draws faults, does them, and undoes them all when calm is wanted."""

    def __init__(
        self, plan: Plan, shared: Surroundings, machines: dict[str, Machine], controller: Controller, chance: Random
    ) -> None:
        self.done: Counter[str] = Counter()
        self.last_refusal_ns = -1
        """When a kernel last refused, or a foreign machine was last there (true time): nodes leave it alone for seconds."""
        self._plan = plan
        self._shared = shared
        self._timeline = shared.timeline
        self._machines = machines
        self._names = list(machines)
        self._controller = controller
        self._chance = chance
        self._over = False
        self._lease_ns = plan.configuration.timing.lease_ns
        self._kinds: dict[str, Callable[[], bool]] = {
            "pause": self._pause,
            "crash": self._crash,
            "power cut": self._power_cut,
            "one-way cut": self._one_way_cut,
            "link cut": self._link_cut,
            "partial partition": self._partial_partition,
            "partition": self._partition,
            "flapping": self._flapping,
            "loss": self._loss,
            "delay": self._delay,
            "standby": self._standby,
            "move": self._move,
            "unfit": self._unfit,
            "restart": self._restart,
            "foreign machine": self._foreign_machine,
            "kernel refuses": self._kernel_refuses,
            "stuck gate": self._stuck_gate,
            "voters": controller.step,
            "lease": controller.change_lease,
            "wild voters": controller.go_wild,
        }

    def begin(self) -> None:
        self._shared.network.weather = self._plan.weather
        self._shared.sluggishness = self._plan.sluggishness
        self._next()

    def end(self) -> None:
        """Everything works again, at once; what was under way is lost."""
        self._over = True
        self._shared.network.mend_all()
        self._shared.network.weather = self._plan.weather.calm
        self._shared.sluggishness = 0.0
        self._shared.foreign.clear()
        for machine in self._machines.values():
            machine.kernel.refuses_hold = machine.kernel.refuses_let_go = False
            machine.boot(0)
            if not machine.settled:
                machine.crash()
            if machine.process is not None:
                machine.process.thaw()
            machine.order("active", activate)
            machine.order("fit", recover)
            machine.start()

    # ── the drawing of lots ─────────────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> None:
        if self._over:
            return
        weights = self._plan.faults
        if weights:
            kind = self._chance.choices(list(weights), list(weights.values()))[0]
            if self._kinds[kind]():
                self.done[kind] += 1
                if self._shared.journal:
                    self._shared.journal.note("", f"⚡ {kind}")
        self._timeline.after(int(self._chance.expovariate(1) * self._plan.fault_every_ns), self._next)

    def _while(self) -> int:
        """How long a fault lasts (ns): a tenth of a lease to three, and rarely up to nine."""
        return int(self._lease_ns * (0.1 + 3 * self._chance.random() ** 2 * (3 if self._chance.random() < 0.1 else 1)))

    def _later(self, undo: Callable[[], object]) -> None:
        self._timeline.after(self._while(), self._undo, undo)

    def _undo(self, undo: Callable[[], object]) -> None:
        if not self._over:
            undo()

    def _machine(self) -> Machine:
        """Any, but a holder as often as not: that is where it hurts."""
        holders = [
            name
            for floating in self._plan.configuration.addresses
            if (name := self._shared.oracle.holder(self._timeline.now_ns, floating.name))
        ]
        names = holders if holders and self._chance.random() < 0.5 else self._names
        return self._machines[self._chance.choice(names)]

    # ── machines ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pause(self) -> bool:
        process = self._machine().process
        if process is not None:
            process.freeze(self._timeline.now_ns + self._while())
        return process is not None

    def _crash(self) -> bool:
        machine = self._machine()
        machine.crash()
        self._timeline.after(self._while() // self._chance.choice((4, 100)), machine.start)
        return True

    def _power_cut(self) -> bool:
        machine = self._machine()
        if not machine.powered:
            return False
        machine.cut_power()
        boot_ns = int(6_000_000_000 * self._chance.random() ** 3)
        self._later(lambda: machine.boot(boot_ns))
        return True

    def _restart(self) -> bool:
        machine = self._machine()
        machine.stop(self._while() // 4)
        return machine.running

    def _kernel_refuses(self) -> bool:
        machine = self._machine()

        def recover() -> None:
            machine.kernel.refuses_hold = False
            self.last_refusal_ns = self._timeline.now_ns

        machine.kernel.refuses_hold = True
        self.last_refusal_ns = self._timeline.now_ns
        self._later(recover)
        return True

    def _stuck_gate(self) -> bool:
        machine = self._machine()

        def recover() -> None:
            machine.kernel.refuses_let_go = False

        machine.kernel.refuses_let_go = True
        self._later(recover)
        return True

    # ── network ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _cut(self, links: Iterable[Link]) -> bool:
        """Cuts outlast the other faults, so that these happen while somebody hears only half of the truth."""
        cut = list(links)
        self._shared.network.cut(cut)
        self._timeline.after(self._while() * self._chance.choice((1, 5)), self._undo, lambda: self._shared.network.mend(cut))
        return True

    def _one_way_cut(self) -> bool:
        return self._cut([self._two()])

    def _link_cut(self) -> bool:
        """Two nodes do not hear each other; everybody else hears both."""
        one, other = self._two()
        return self._cut([(one, other), (other, one)])

    def _two(self) -> Link:
        one = self._machine().name
        return one, self._chance.choice([name for name in self._names if name != one])

    def _partial_partition(self) -> bool:
        """Some of the links, each way for itself."""
        share = self._chance.uniform(0.1, 0.6)
        return self._cut(link for link in self._links() if self._chance.random() < share)

    def _partition(self) -> bool:
        """Two sides, and nothing between them."""
        side = set(self._chance.sample(self._names, self._chance.randint(1, len(self._names) - 1)))
        return self._cut((one, other) for one, other in self._links() if (one in side) != (other in side))

    def _flapping(self) -> bool:
        """One node's cable goes in and out."""
        name = self._machine().name
        links = [link for link in self._links() if name in link]
        for _ in range(self._chance.randint(3, 8)):
            self._timeline.after(self._while() // 2, self._undo, lambda: self._cut_briefly(links))
        return True

    def _cut_briefly(self, links: list[Link]) -> None:
        self._shared.network.cut(links)
        self._timeline.after(self._while() // 10, self._undo, lambda: self._shared.network.mend(links))

    def _loss(self) -> bool:
        repeat = self._chance.choice((0.0, 0.3))
        return self._storm(replace(self._plan.weather, loss=self._chance.uniform(0.1, 0.6), repeat=repeat))

    def _delay(self) -> bool:
        latest_ns = int(self._lease_ns * self._chance.choice((0.3, 1.0, 4.0)))
        return self._storm(replace(self._plan.weather, late=self._chance.uniform(0.1, 0.5), latest_ns=latest_ns))

    def _storm(self, weather: Weather) -> bool:
        network = self._shared.network
        if network.weather is not self._plan.weather:
            return False

        def clear_up() -> None:
            network.weather = self._plan.weather

        network.weather = weather
        self._later(clear_up)
        return True

    def _links(self) -> list[Link]:
        return [(one, other) for one in self._names for other in self._names if one != other]

    def _foreign_machine(self) -> bool:
        address = self._chance.choice(self._plan.configuration.addresses).name

        def leave() -> None:
            self._shared.foreign.discard(address)
            self.last_refusal_ns = self._timeline.now_ns

        self._shared.foreign.add(address)
        self.last_refusal_ns = self._timeline.now_ns
        self._later(leave)
        return True

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _standby(self) -> bool:
        machine = self._machine()
        self._later(lambda: machine.order("active", activate))
        return machine.order("standby", lambda member, local_ns: member.set_standby(local_ns, standby=True))

    def _unfit(self) -> bool:
        machine = self._machine()
        self._later(lambda: machine.order("fit", recover))
        return machine.order("unfit", lambda member, local_ns: member.set_problem(local_ns, "cable", "no link"))

    def _move(self) -> bool:
        floating = self._chance.choice(self._plan.configuration.addresses)
        holder = self._shared.oracle.holder(self._timeline.now_ns, floating.name)
        to = self._chance.choice(floating.candidate_names)
        if not holder or holder == to:
            return False

        def give(member: Member, local_ns: int) -> list[Effect]:
            try:
                return member.move(local_ns, floating.name, to)
            except ValueError:
                return []

        return self._machines[holder].order(f"move {floating.name} to {to}", give)


def activate(member: Member, local_ns: int) -> list[Effect]:
    return member.set_standby(local_ns, standby=False)


def recover(member: Member, local_ns: int) -> list[Effect]:
    return member.set_problem(local_ns, "cable", "")
