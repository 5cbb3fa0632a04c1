"""From what the nodes are to what the inventory says they should be: survey, plan, apply, look again, reboot, verify.

    survey      one question to each node, side by side           a node that is not reached is a problem in the plan
    plan        a value; shown, and confirmed by a person
    apply       side by side, but for agents that run already: these are restarted one after the other
    look again  only where something was done: the second plan has to be empty
    reboot      only where something waits for it and it was asked for, one node after the other
    verify      every agent is heard by a majority, every address is held, and answers

Each node's result stands beside the others; nothing here ends because one node fails.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from picluster.controller.blueprint import Blueprint
from picluster.controller.crew import Crew, Outcome
from picluster.controller.health import Standing, ask_account, judge, sees_all_well
from picluster.controller.progress import Kind, Progress
from picluster.controller.report import NodeReport, Report, State
from picluster.controller.rolling import AGENTS_S, Rolling, reboot
from picluster.controller.shell import Shell
from picluster.controller.talking import Applied, ask_facts, labelled, obey
from picluster.errors import PiclusterError, ProvisionError
from picluster.model.inventory import FloatingAddress, Inventory, Node
from picluster.provision.facts import Facts
from picluster.provision.plan import Change, NodePlan, Plan

__all__ = ["Survey", "Up", "doubles", "split"]

AGENT = "picluster.service"
SETTLING_S = 1.0
FACTS_S = 90.0
"""Silence of a node that was asked for its facts: a Pi Zero compiles the program first, and dpkg is slow on old cards."""
STEPS_S = 1_800.0
"""Silence of a node that obeys steps: unpacking a large package takes minutes, and others may have dpkg's lock."""


Reach = Callable[[FloatingAddress, int], bool]
"""Whether anybody answers at the floating address, seen from here, on this TCP port or by refusing it."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, and what follows from it."""

    facts: Mapping[str, Facts]
    plan: Plan
    only: tuple[str, ...] = ()
    """The parts that it is limited to; empty: all."""
    took_s: Mapping[str, float] = field(default_factory=dict)


class Up:
    """One run. The methods are called in the order in which they stand."""

    def __init__(
        self,
        inventory: Inventory,
        crew: Crew,
        blueprint: Blueprint,
        who: str,
        reach: Reach,
        pause: Callable[[float], None] = time.sleep,
        patience_s: float = AGENTS_S,
    ) -> None:
        self._inventory, self._crew, self._blueprint = inventory, crew, blueprint
        self._who, self._reach, self._pause = who, reach, pause
        self._rolling = Rolling(crew, inventory, pause, patience_s)
        self._began_s = time.monotonic()

    # ── survey ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def survey(self, nodes: Sequence[Node], only: tuple[str, ...] = ()) -> Survey:
        """Ask all, and plan for all. `only` limits the plan to these parts."""
        outcomes = self._crew.each(nodes, self._ask, FACTS_S, "asking")
        facts = {name: outcome.value for name, outcome in outcomes.items() if outcome.value is not None}
        why_not = self._prepare(facts)
        problems = {**doubles(facts), **{name: str(one.failure) for name, one in outcomes.items() if not one.ok}}
        plans = [self._plan(node, facts.get(node.name), problems.get(node.name, why_not)) for node in nodes]
        plan = Plan(tuple(plans))
        took_s = {name: one.took_s for name, one in outcomes.items()}
        return Survey(facts, plan.only(only) if only else plan, only, took_s)

    def _ask(self, node: Node, shell: Shell) -> Facts:
        return self._blueprint.gather(node, lambda question: ask_facts(shell, question))

    def _prepare(self, facts: Mapping[str, Facts]) -> str:
        """Why nothing can be planned; empty where it can."""
        try:
            self._blueprint.prepare(facts)
        except ProvisionError as error:
            return str(error)
        return ""

    def _plan(self, node: Node, facts: Facts | None, problem: str) -> NodePlan:
        if facts is None or problem:
            return NodePlan(node.name, problem=problem)
        try:
            return self._blueprint.plan(node, facts)
        except PiclusterError as error:
            return NodePlan(node.name, problem=str(error))

    # ── apply ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, survey: Survey, *, with_reboots: bool = False) -> Report:
        """Carry the plan out, and say what became of it."""
        results = {plan.node: _first_result(plan, survey) for plan in survey.plan.nodes}
        done = self._carry_out(survey)
        for name, outcome in done.items():
            results[name] = _after(results[name], outcome)
        touched = [name for name, outcome in done.items() if outcome.ok]
        results |= self._checked(touched, survey, results)
        if with_reboots:
            results |= self._rebooted(survey, results)
        rebooted = any(result.rebooted for result in results.values())
        return self._report(results, changed=bool(done) or rebooted)

    def _carry_out(self, survey: Survey) -> dict[str, Outcome[Applied]]:
        """Agents that run are left to the end, and are restarted one after the other."""
        at_once, later = {}, {}
        for plan in survey.plan.nodes:
            if plan.problem or not plan.steps:
                continue
            runs = survey.facts[plan.node].agent is not None
            at_once[plan.node], later[plan.node] = split(plan.changes) if runs else (plan.changes, ())
        first = [self._node(name) for name, changes in at_once.items() if changes]
        outcomes = self._crew.each(first, self._obeying(at_once, survey), STEPS_S, "applying")
        well = [name for name, changes in later.items() if changes and (name not in outcomes or outcomes[name].ok)]
        if well:
            rolled = self._rolling.one_by_one(map(self._node, well), self._obeying(later, survey), STEPS_S, "restarting")
            outcomes |= {name: _added(outcomes.get(name), outcome) for name, outcome in rolled.items()}
        return outcomes

    def _obeying(self, changes: Mapping[str, Sequence[Change]], survey: Survey) -> Callable[[Node, Shell], Applied]:
        def task(node: Node, shell: Shell) -> Applied:
            there = survey.facts[node.name].blobs
            return obey(shell, node.name, labelled(changes[node.name]), there, self._who, self._crew.desk.tell)

        return task

    # ── look again ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _checked(self, names: Iterable[str], survey: Survey, results: Mapping[str, NodeReport]) -> dict[str, NodeReport]:
        """Whether what was done there is there: the second plan has to be empty, but for what waits for a reboot."""
        nodes = [self._node(name) for name in names]
        if not nodes:
            return {}
        again = self.survey(nodes, survey.only)
        if any(change.steps for plan in again.plan.nodes for change in plan.changes):
            # A reload is an order, not its execution: who was told to read its files may not have come to it.
            self._pause(SETTLING_S)
            again = self.survey(nodes, survey.only)
        return {plan.node: _settled(results[plan.node], plan) for plan in again.plan.nodes}

    # ── reboot ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _rebooted(self, survey: Survey, results: Mapping[str, NodeReport]) -> dict[str, NodeReport]:
        waiting = [self._node(name) for name, result in results.items() if result.awaits_reboot]
        if not waiting:
            return {}

        def task(node: Node, shell: Shell) -> None:
            reboot(self._crew, node, shell, self._pause)

        outcomes = self._rolling.one_by_one(waiting, task, STEPS_S, "rebooting")
        after = {name: _after_reboot(results[name], outcome) for name, outcome in outcomes.items()}
        return after | self._checked([name for name, outcome in outcomes.items() if outcome.ok], survey, after)

    # ── verify ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _report(self, results: Mapping[str, NodeReport], *, changed: bool) -> Report:
        nodes = tuple(results.values())
        standing = self._standing(nodes, changed=changed)
        troubles = self._troubles(standing) if standing is not None else ()
        return Report(nodes, time.monotonic() - self._began_s, standing, troubles)

    def _standing(self, nodes: Sequence[NodeReport], *, changed: bool) -> Standing | None:
        """Of the whole stack. Where nothing was done, the word of one agent that sees everybody well is enough."""
        fine = [self._node(one.node) for one in nodes if one.state is not State.FAILED]
        if not fine:
            return None
        if not changed:
            first = fine[0]
            [outcome] = self._crew.each(
                [first], lambda node, shell: ask_account(shell, node.name), AGENTS_S, quietly=True
            ).values()
            if outcome.value is not None and sees_all_well(self._inventory, outcome.value):
                return Standing({}, dict(outcome.value.holders), 1, 1)
            return judge(self._inventory, self._rolling.accounts())
        return self._waited_for(fine)

    def _waited_for(self, nodes: Sequence[Node]) -> Standing:
        hear = self._crew.desk.watcher.hear
        for node in nodes:
            hear(Progress(node.name, Kind.STAGE, "waiting until its agent is heard"))
        standing = self._rolling.until_well(nodes)
        for node in nodes:
            hear(Progress(node.name, Kind.ENDED, ""))
        return standing

    def _troubles(self, standing: Standing) -> tuple[str, ...]:
        addresses = [one for one in self._inventory.configuration.addresses if standing.holders.get(one.name)]
        holders = {one.name: self._node(str(standing.holders[one.name])) for one in addresses}
        silent = [one for one in addresses if not self._reach(one, holders[one.name].access.port)]
        unreached = (
            f"{one.name} ({one.address}) does not answer this machine, though {holders[one.name].name} holds it"
            for one in silent
        )
        silent_agents = (f"{name}: {why}" for name, why in self._rolling.silent.items())
        return (*silent_agents, *standing.troubles(), *unreached)

    def _node(self, name: str) -> Node:
        node = self._inventory.node(name)
        assert node is not None, f"{name} came from the inventory"
        return node


def split(changes: Sequence[Change]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """What may be done on all nodes at once, and what follows from the first change on that stops a running agent."""
    first = next((number for number, change in enumerate(changes) if _stops_the_agent(change)), len(changes))
    return tuple(changes[:first]), tuple(changes[first:])


def doubles(facts: Mapping[str, Facts]) -> dict[str, str]:
    """Nodes that are one and the same machine: its kernel has one name for this boot, whatever address leads to it."""
    count = Counter(one.boot_id for one in facts.values() if one.boot_id)
    return {
        name: f"{_names(name, facts)} lead to one machine (host name {one.host_name}); give each node its own address"
        for name, one in facts.items()
        if count[one.boot_id] > 1
    }


def _names(name: str, facts: Mapping[str, Facts]) -> str:
    return " and ".join(other for other, one in facts.items() if one.boot_id == facts[name].boot_id)


def _stops_the_agent(change: Change) -> bool:
    requests = [step.request for step in change.steps]
    return any(one["do"] == "unit" and one["name"] == AGENT and one["state"] in {"restarted", "stopped"} for one in requests)


def _first_result(plan: NodePlan, survey: Survey) -> NodeReport:
    took_s = survey.took_s.get(plan.node, 0.0)
    if plan.problem:
        return NodeReport(plan.node, State.FAILED, took_s, text=plan.problem)
    state = State.CHANGED if plan.steps else State.NOTHING
    changes = sum(bool(change.steps) for change in plan.changes)
    return NodeReport(plan.node, state, took_s, changes, "; ".join(plan.notes), awaits_reboot=plan.reboot)


def _added(before: Outcome[Applied] | None, after: Outcome[Applied]) -> Outcome[Applied]:
    """Two parts of one node's work as one."""
    if before is None or before.value is None or after.value is None:
        return after
    applied = Applied(before.value.done + after.value.done, before.value.changed + after.value.changed)
    return Outcome(after.node, before.took_s + after.took_s, applied)


def _after(result: NodeReport, outcome: Outcome[Applied]) -> NodeReport:
    took_s = result.took_s + outcome.took_s
    if outcome.failure is not None:
        return replace(result, state=State.FAILED, took_s=took_s, text=str(outcome.failure), awaits_reboot=False)
    return replace(result, took_s=took_s)


def _after_reboot(result: NodeReport, outcome: Outcome[None]) -> NodeReport:
    took_s = result.took_s + outcome.took_s
    if outcome.failure is not None:
        return replace(result, state=State.FAILED, took_s=took_s, text=str(outcome.failure))
    return replace(result, took_s=took_s, rebooted=True, awaits_reboot=False)


def _settled(result: NodeReport, again: NodePlan) -> NodeReport:
    """What the second plan says about the first."""
    if again.problem:
        return replace(result, state=State.FAILED, text=f"not as it should be afterwards: {again.problem}")
    loose = [f"{change.what} ({change.reason})" for change in again.changes if change.steps]
    if loose:
        return replace(result, state=State.FAILED, text=f"does not stick: {', '.join(loose)}")
    return replace(result, awaits_reboot=again.reboot)
