"""The plan: what is to be done on which node, and why. A value: it can be shown, limited, confirmed and then applied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from picluster.provision.steps import Step

__all__ = ["Change", "NodePlan", "Plan"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what a node is and what it should be."""

    part: str
    """For `--only`: system, packages, ssh, network, agent …"""
    what: str
    """What is different, in few words: a path, `package nftables`, `host name`."""
    reason: str
    """Why, as people say it: `missing`, `differs`, `runs with the old configuration`."""
    steps: tuple[Step, ...]
    diff: str = ""
    """Unified, for what can be shown as text; never of a secret."""
    reboot: bool = False
    """Whether it takes effect with the next boot only."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What is to be done on one node."""

    node: str
    changes: tuple[Change, ...] = ()
    problem: str = ""
    """Why nothing can be done there; empty where it can."""
    notes: tuple[str, ...] = ()
    """What people should know, such as what the distribution's packages stand in for."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for change in self.changes for step in change.steps)

    @property
    def reboot(self) -> bool:
        return any(change.reboot for change in self.changes)


@dataclass(frozen=True, slots=True)
class Plan:
    nodes: tuple[NodePlan, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done, and nothing is in the way of it."""
        return not any(node.changes or node.problem for node in self.nodes)

    def only(self, parts: Collection[str]) -> Plan:
        """The same, of these parts."""
        kept = (replace(node, changes=tuple(one for one in node.changes if one.part in parts)) for node in self.nodes)
        return Plan(tuple(kept))

    def as_json(self) -> dict[str, object]:
        """For programs. Steps are counted, not shown: they may hold secrets."""
        return {"nodes": [_node_as_json(node) for node in self.nodes]}


def _node_as_json(node: NodePlan) -> dict[str, object]:
    changes: Sequence[dict[str, object]] = [
        {
            "part": change.part,
            "what": change.what,
            "reason": change.reason,
            "diff": change.diff,
            "steps": len(change.steps),
            "reboot": change.reboot,
        }
        for change in node.changes
    ]
    return {"node": node.node, "problem": node.problem, "notes": list(node.notes), "changes": changes}
