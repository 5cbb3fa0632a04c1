"""New software for a cluster that runs: one node after the other, and no further than the first that is not well after it.

It is what `up` does for the agents, in a stricter order. There everything but the restarts is done side by side; here a node
is left as it is, software and all, until its turn comes: so where new software turns out to be bad, one node has it.

Nodes that are not well go first, for they have nothing to lose and may be mended by it; then those that do not vote, voters,
and whoever holds an address last. No voter goes where a majority needs it (`picluster.controller.rolling`). Who has the new
software is found out by asking, so a run that was cut or that stopped is simply run again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from picluster.controller.health import Standing, judge
from picluster.controller.report import NodeReport, Report, State
from picluster.controller.rolling import Rolling, holders_of, in_order
from picluster.controller.up import Survey, Up
from picluster.model.inventory import Inventory, Node
from picluster.provision.agent import UNIT
from picluster.provision.plan import NodePlan, Plan

__all__ = ["Upgrade"]


class Upgrade:
    """One run. `up` has surveyed, and does the work on each node."""

    def __init__(self, inventory: Inventory, up: Up, rolling: Rolling) -> None:
        self._inventory, self._up, self._rolling = inventory, up, rolling

    def apply(self, survey: Survey) -> Report:
        """Carry the plan out on one node after the other, and say what became of each."""
        began_s = time.monotonic()
        survey = _without_fresh(survey)
        if not any(plan.steps for plan in survey.plan.nodes if not plan.problem):
            return self._up.apply(survey)
        before = judge(self._inventory, self._rolling.accounts())
        turns = _Turns(self._up, survey, before)
        for node in self._order(survey, before):
            turns.take(node)
        nodes = tuple(turns.reports[plan.node] for plan in survey.plan.nodes)
        return Report(nodes, time.monotonic() - began_s, turns.standing, turns.troubles)

    def _order(self, survey: Survey, before: Standing) -> list[Node]:
        nodes = [node for plan in survey.plan.nodes if (node := self._inventory.node(plan.node)) is not None]
        ordered = in_order(self._inventory, nodes, holders_of(before))
        return sorted(ordered, key=lambda node: node.name not in before.unheard)


@dataclass
class _Turns:
    up: Up
    survey: Survey
    before: Standing
    reports: dict[str, NodeReport] = field(default_factory=dict)
    standing: Standing | None = None
    troubles: tuple[str, ...] = ()
    _stopped: str = ""

    def __post_init__(self) -> None:
        self.standing, self.troubles = self.before, self.before.troubles()
        new = [plan.node for plan in self.survey.plan.nodes if not plan.problem and not plan.steps]
        if broken := [name for name in new if name in self.before.unheard]:
            self._stopped = f"{' and '.join(broken)} has the new software and is not well; see picluster logs {broken[0]}"

    def take(self, node: Node) -> None:
        [plan] = [plan for plan in self.survey.plan.nodes if plan.node == node.name]
        took_s = self.survey.took_s.get(node.name, 0.0)
        if plan.problem:
            self.reports[node.name] = NodeReport(node.name, State.FAILED, took_s, text=plan.problem)
        elif not plan.steps:
            self.reports[node.name] = NodeReport(node.name, State.NOTHING, took_s, text="; ".join(plan.notes))
        elif self._stopped:
            self.reports[node.name] = NodeReport(node.name, State.FAILED, took_s, text=f"left as it was: {self._stopped}")
        else:
            self._upgrade(plan)

    def _upgrade(self, plan: NodePlan) -> None:
        report = self.up.apply(replace(self.survey, plan=Plan((plan,))))
        [self.reports[plan.node]] = report.nodes
        if report.standing is not None:
            self.standing, self.troubles = report.standing, report.troubles
        if why_not := self._why_not_well(report, plan.node):
            self._stopped = f"{plan.node} did not come back well"
            worse = replace(self.reports[plan.node], state=State.FAILED, text=why_not)
            self.reports[plan.node] = worse

    def _why_not_well(self, report: Report, node: str) -> str:
        """Empty where it is. What was dark before it, it need not have lit."""
        if report.failed:
            return report.failed[0].text
        if report.standing is None:
            return ""
        if node in report.standing.unheard:
            return f"its agent is not heard by a majority; see picluster logs {node}"
        lost = [name for name in _dark(report.standing) if name not in _dark(self.before)]
        return f"nobody holds {' and '.join(lost)} since" if lost else ""


def _dark(standing: Standing) -> Collection[str]:
    return [name for name, holder in standing.holders.items() if holder is None]


def _without_fresh(survey: Survey) -> Survey:
    """Software alone makes no node of a machine that has never been one."""
    plans: Sequence[NodePlan] = [
        NodePlan(plan.node, problem="no agent was set up there yet: picluster up does it")
        if _is_fresh(survey, plan)
        else plan
        for plan in survey.plan.nodes
    ]
    return replace(survey, plan=Plan(tuple(plans)))


def _is_fresh(survey: Survey, plan: NodePlan) -> bool:
    facts = survey.facts.get(plan.node)
    return facts is not None and UNIT in facts.units and facts.units[UNIT].load == "not-found"
