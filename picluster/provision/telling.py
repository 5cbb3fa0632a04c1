"""A plan as plain text, for people: `--dry-run`, and with the differences of files `--diff`. Colours are up to others.

    pi1, pi2, pi3: the same 14 changes
      system    host name                is raspberrypi
      packages  package iw               missing
      …
    pi4: nothing to do
    pi5: cannot be changed: its root file system is read-only. …
    42 changes on 3 of 5 nodes; 1 node cannot be changed

Nodes on which the same things differ for the same reasons are told once. Their files may still differ in what is to stand
there, such as the node's name: each difference is shown once, with the nodes that it is of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from picluster.provision.plan import Change, NodePlan, Plan

__all__ = ["told"]

WIDEST = 48
"""Columns for what is different; what is longer pushes its reason to the right."""
Gist = tuple[object, ...]


def told(plan: Plan, *, diff: bool = False) -> list[str]:
    """The lines, without their ends."""
    groups: dict[Gist, list[NodePlan]] = {}
    for node in plan.nodes:
        groups.setdefault(_gist(node), []).append(node)
    lines = [line for group in groups.values() for line in _group(group, diff)]
    return lines if plan.empty else [*lines, _sum(plan)]


def _gist(node: NodePlan) -> Gist:
    changes = tuple((change.part, change.what, change.reason, change.reboot) for change in node.changes)
    return node.problem, node.notes, changes


def _group(group: Sequence[NodePlan], diff: bool) -> Iterator[str]:
    first = group[0]
    yield f"{_names(group)}: {_headline(first, alone=len(group) == 1)}"
    part_width = max((len(change.part) for change in first.changes), default=0)
    what_width = min(max((len(change.what) for change in first.changes), default=0), WIDEST)
    for place, change in enumerate(first.changes):
        reboot = " (takes a reboot)" if change.reboot else ""
        yield f"  {change.part:<{part_width}}  {change.what:<{what_width}}  {change.reason}{reboot}"
        if diff:
            yield from _diffs(group, place)
    yield from (f"  note: {note}" for note in first.notes)


def _headline(node: NodePlan, *, alone: bool) -> str:
    if node.problem:
        return f"cannot be changed: {node.problem}"
    if not node.changes:
        return "nothing to do"
    same = "" if alone else "the same "
    return f"{same}{_count(len(node.changes), 'change')}"


def _diffs(group: Sequence[NodePlan], place: int) -> Iterator[str]:
    """Of one change that all of these have, though perhaps not with the same difference."""
    by_diff: dict[str, list[NodePlan]] = {}
    for node in group:
        change: Change = node.changes[place]
        by_diff.setdefault(change.diff, []).append(node)
    for text, nodes in by_diff.items():
        if len(by_diff) > 1:
            yield f"      {_names(nodes)}:"
        yield from (f"      {line}" for line in text.splitlines())


def _sum(plan: Plan) -> str:
    changes = sum(len(node.changes) for node in plan.nodes)
    changed = sum(bool(node.changes) for node in plan.nodes)
    stuck = sum(bool(node.problem) for node in plan.nodes)
    reboots = [node for node in plan.nodes if node.reboot]
    words = [f"{_count(changes, 'change')} on {changed} of {_count(len(plan.nodes), 'node')}"] if changes else []
    words += [f"a reboot of {_names(reboots)}"] if reboots else []
    words += [f"{_count(stuck, 'node')} cannot be changed"] if stuck else []
    return "; ".join(words)


def _names(nodes: Sequence[NodePlan]) -> str:
    return ", ".join(node.node for node in nodes)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
