"""The drill: end the node that holds a floating address, as if its plug was pulled, and measure how long nobody answers.

    survey     everybody is asked how it is; a drill that would take more than the one node away is refused
    measure    requests go to the address hundreds of times a second; the holder is told to reboot that instant; who is next?
    return     the old holder boots, and is heard by a majority again

The kernel does it by its `b` key (Documentation/admin-guide/sysrq.rst): no service is stopped, nothing is unmounted, and no
word is said to anybody. Whoever may write to /proc/sysrq-trigger may do so whatever kernel.sysrq says, which is about
keyboards. A kernel that was built without keys is asked by the system call, which lets drivers come to rest at least (man 2
reboot). What programs had written is forced to the card before that, since files are not what is tried here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from picluster.controller.crew import Crew
from picluster.controller.health import Standing, judge, spared
from picluster.controller.outage import Move, Outage, Verdict, judge_outage, longest_outage, round_trip_ms
from picluster.controller.rolling import ANSWER_S, BOOT_S, Rolling, boot_id
from picluster.controller.shell import Shell
from picluster.controller.witnessing import Testimony, ask_testimony
from picluster.errors import AccessError, ProvisionError, TrustError
from picluster.model.inventory import FloatingAddress, Inventory, Node
from picluster.model.probe import Probe
from picluster.model.snapshot import NodeState

__all__ = ["CUT", "CUT_DELAY_S", "Drill", "Measured", "Prober", "Prospect", "Return"]

NS = 1_000_000_000
FIT = frozenset(state.value for state in (NodeState.READY, NodeState.HOLDER))
CUT_DELAY_S = 0.3
CUT = (
    "timeout 10 sync; setsid --fork sh -c '"
    f"sleep {CUT_DELAY_S}; if test -e /proc/sysrq-trigger; then echo b >/proc/sysrq-trigger; "
    "else systemctl reboot --force --force; fi' </dev/null >/dev/null 2>&1"
)
"""It outlives the connection, which is closed before the node ends: nobody has to find out that it is dead."""
CUT_S = 30.0
LOOK_S = 0.25
BEFORE_NS = 1 * NS
"""How long requests are answered before the order."""
CALM_NS = 1 * NS
"""How long the address has to answer before the outage is taken for over."""
NO_OUTAGE_NS = 10 * NS
DARK_NS = 30 * NS
"""How long nobody may answer until it is no use to wait."""
AGREED_S = 5.0
"""How long agents may take to hear who holds the address: it is in their next heartbeats."""
BETWEEN_CALLS_S = 1.0


class Prober(Protocol):
    """Asks the address all the time: `picluster.adapters.prober`."""

    interval_ns: int

    def now_ns(self) -> int: ...

    def probes(self, since_ns: int) -> list[Probe]:
        """What was sent from then on, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a drill would do."""

    floating: FloatingAddress
    holder: Node
    heirs: tuple[str, ...]
    """Who could take over."""
    boot_id: str
    """Of the holder's present life."""
    longest_ms: float
    """The outage that it should not exceed, by the formula."""
    troubles: tuple[str, ...] = ()
    """What is not well as it is: a drill then says little."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen from here."""

    ordered_ns: int
    """When the holder had been told, `CUT_DELAY_S` before it obeys."""
    outage: Outage | None
    """None where every request was answered."""
    holder: str | None
    """Who holds the address now, by the agents of a majority."""
    move: Move | None
    verdict: Verdict
    requests_a_second: float


@dataclass(frozen=True, slots=True)
class Return:
    """How the node that was cut came back. Seconds since the order; None where it did not in time."""

    back_s: float | None
    heard_s: float | None
    """When a majority heard its agent."""
    troubles: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        return self.heard_s is not None and not self.troubles


class Drill:
    """The methods are called in the order in which they stand."""

    def __init__(
        self, inventory: Inventory, crew: Crew, own_boot_id: str = "", pause: Callable[[float], None] = time.sleep
    ) -> None:
        """`own_boot_id` is this machine's, which is not to be cut while it measures."""
        self._inventory, self._crew = inventory, crew
        self._own_boot_id, self._pause = own_boot_id, pause

    # ── survey ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def survey(self, floating: FloatingAddress) -> Prospect:
        """Ask everybody. Raises ProvisionError where the address would stay dark."""
        testimonies, silent = self._ask(self._inventory.nodes)
        accounts = {name: one.account for name, one in testimonies.items()}
        standing = judge(self._inventory, accounts)
        name = standing.holders[floating.name]
        if name is None:
            raise ProvisionError(f"nobody holds {floating.name}, so there is nobody to be cut; see picluster status")
        if why_not := spared(self._inventory, accounts, [name]):
            raise ProvisionError(f"{why_not}; every floating address would go dark until {name} is back")
        heirs = tuple(one for one in floating.candidate_names if one != name and _is_fit(one, standing, testimonies))
        if not heirs:
            raise ProvisionError(f"nobody but {name} could hold {floating.name} now; it would be dark until {name} is back")
        holder = self._inventory.node(name)
        assert holder is not None, f"{name} came from the inventory"
        troubles = (*(f"{one}: {why}" for one, why in silent.items()), *standing.troubles())
        boot = self._boot_id(holder)
        if boot == self._own_boot_id:
            raise ProvisionError(f"this machine is {name}, and who is cut cannot measure; do it from another machine")
        return Prospect(floating, holder, heirs, boot, self._inventory.configuration.timing.longest_outage_ms(), troubles)

    def _ask(self, nodes: Iterable[Node]) -> tuple[dict[str, Testimony], dict[str, str]]:
        """What agents say, and why others say nothing."""
        outcomes = self._crew.each(nodes, lambda node, shell: ask_testimony(shell, node.name), ANSWER_S, quietly=True)
        told = {name: one.value for name, one in outcomes.items() if one.value is not None}
        return told, {name: str(one.failure) for name, one in outcomes.items() if not one.ok}

    def _boot_id(self, node: Node) -> str:
        """Raises what keeps the node from telling."""
        [outcome] = self._crew.each([node], lambda _node, shell: boot_id(shell), ANSWER_S, quietly=True).values()
        if outcome.failure is not None:
            raise outcome.failure
        return outcome.value or ""

    # ── measure ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def measure(self, prospect: Prospect, prober: Prober) -> Measured:
        """Cut the holder, and see who answers when. The prober asks already. Raises ProvisionError or AccessError where the
        node was not cut."""
        trip_ms = self._trip_ms(prospect, prober)
        ordered_ns = self._cut(prospect.holder, prober)
        outage = self._wait(prober, ordered_ns)
        holder, move = self._who_holds(prospect)
        interval_ms = prober.interval_ns / 1e6
        timing = self._inventory.configuration.timing
        if outage is None:
            nothing = (
                f"every request was answered: {prospect.holder.name} has not gone down, or it goes down without an outage"
            )
            verdict = Verdict(None, timing.longest_outage_ms(), nothing)
        else:
            verdict = judge_outage(outage, timing, trip_ms, interval_ms, move)
        asked = prober.probes(ordered_ns)
        seconds = (asked[-1].sent_ns - asked[0].sent_ns) / NS if len(asked) > 1 else 0.0
        return Measured(ordered_ns, outage, holder, move, verdict, (len(asked) - 1) / seconds if seconds else 0.0)

    def _trip_ms(self, prospect: Prospect, prober: Prober) -> float:
        """How long an answer takes while all is well."""
        began_ns = prober.now_ns()
        while prober.now_ns() - began_ns < BEFORE_NS:
            self._pause(LOOK_S)
        trip_ms = round_trip_ms(prober.probes(began_ns))
        if trip_ms is None:
            raise ProvisionError(
                f"{prospect.floating.name} ({prospect.floating.address}) does not answer this machine, though "
                f"{prospect.holder.name} holds it; where a firewall is in between, name a port that it lets through: --port"
            )
        return trip_ms

    def _cut(self, holder: Node, prober: Prober) -> int:
        """When it had been told."""

        def task(_node: Node, shell: Shell) -> int:
            lines: list[str] = []
            code = shell.run(CUT, lines.append, root=True, timeout_s=CUT_S)
            if code:
                raise ProvisionError(f"{holder.name} was not cut: {' '.join(lines) or f'exit code {code}'}")
            return prober.now_ns()

        [outcome] = self._crew.each([holder], task, CUT_S * 2, "cutting", quietly=True).values()
        self._crew.hang_up(holder.name)
        if outcome.failure is not None:
            raise outcome.failure
        assert outcome.value is not None, "it has not failed"
        return outcome.value

    def _wait(self, prober: Prober, ordered_ns: int) -> Outage | None:
        """The outage, when it is over and has been for a while."""
        while True:
            self._pause(LOOK_S)
            now_ns = prober.now_ns()
            outage = longest_outage(prober.probes(ordered_ns - BEFORE_NS), ordered_ns)
            if outage is None:
                if now_ns - ordered_ns > NO_OUTAGE_NS:
                    return None
            elif now_ns - (outage.began_ns + DARK_NS if outage.ended_ns is None else outage.ended_ns + CALM_NS) > 0:
                return outage

    def _who_holds(self, prospect: Prospect) -> tuple[str | None, Move | None]:
        """By the agents of all others."""
        others = [node for node in self._inventory.nodes if node != prospect.holder]
        name, began_s = prospect.floating.name, time.monotonic()
        while True:
            testimonies, _ = self._ask(others)
            standing = judge(self._inventory, {one: told.account for one, told in testimonies.items()})
            holder = standing.holders[name]
            if holder is not None:
                move = testimonies[holder].moves.get(name)
                return holder, move if move is not None and move.previous == prospect.holder.name else None
            if time.monotonic() - began_s > AGREED_S:
                return None, None
            self._pause(LOOK_S)

    # ── return ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def wait_for_return(self, prospect: Prospect, measured: Measured, now_ns: Callable[[], int]) -> Return:
        """Until it has booted and is heard. `now_ns` is the prober's clock."""

        def passed_s() -> float:
            return (now_ns() - measured.ordered_ns) / NS

        why_not = self._call(prospect, passed_s)
        if why_not:
            return Return(None, None, (f"{prospect.holder.name} is not back after {passed_s():.0f} s: {why_not}",))
        back_s = passed_s()
        standing = Rolling(self._crew, self._inventory, self._pause).until_well([prospect.holder])
        heard = prospect.holder.name not in standing.unheard
        return Return(back_s, passed_s() if heard else None, standing.troubles())

    def _call(self, prospect: Prospect, passed_s: Callable[[], float]) -> str:
        """Why it is not back; empty where it is."""
        while True:
            try:
                if self._boot_id(prospect.holder) != prospect.boot_id:
                    return ""
                why_not = "it has not gone down"
            except TrustError as error:
                return str(error)
            except AccessError as error:
                why_not = str(error)
            if passed_s() > BOOT_S:
                return why_not
            self._crew.hang_up(prospect.holder.name)
            self._pause(BETWEEN_CALLS_S)


def _is_fit(name: str, standing: Standing, testimonies: Mapping[str, Testimony]) -> bool:
    """Whether a majority hears it, and it says itself that it may hold."""
    return name not in standing.unheard and name in testimonies and testimonies[name].states.get(name) in FIT
