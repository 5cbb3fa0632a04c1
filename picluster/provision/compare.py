"""Resources and facts: what is different, in order, with a reason for each difference.

    question(resources)              what to ask for these
    unasked(…)                       what the first question did not cover, for the rare node that needs a second one
    compare(node, resources, facts)  the difference
    plan_for(…)                      the whole way for one node: obstacles, recipe, difference, room on the disk

Before a change that somebody lives by goes the stamp that says so (`picluster.provision.services`): wherever a connection is
cut, either nothing has happened, or the next comparison finds the handler due.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from picluster.errors import ProvisionError
from picluster.model.inventory import Inventory, Node
from picluster.provision import steps
from picluster.provision.facts import Facts, FileFact, Question, covers, merged
from picluster.provision.obstacles import notes, obstacle, too_full
from picluster.provision.plan import Change, NodePlan
from picluster.provision.recipe import questions, wanted
from picluster.provision.resources import Resource
from picluster.provision.scene import Material, Scene
from picluster.provision.services import Effect, Handler, Service

__all__ = ["compare", "plan_for", "question", "unasked"]

PENDING = ""
"""The value of a stamp whose effect has not taken place yet."""


def question(resources: Iterable[Resource]) -> Question:
    """What has to be known to compare these."""
    return merged(resource.question for resource in resources)


def unasked(inventory: Inventory, node: Node, material: Material, facts: Facts, asked: Question) -> Question | None:
    """The question that has to be asked after all, now that more is known; None where what was asked is enough."""
    needed = question(wanted(inventory, node, material, facts, now_s=0.0))
    # Which blobs are there saves sending them; nobody needs to ask again for that.
    return None if covers(asked, replace(needed, blobs=())) else merged([asked, needed])


def compare(node: str, resources: Sequence[Resource], facts: Facts) -> NodePlan:
    """What is different on this node. Facts have to be the answer to a question that covers these resources'."""
    try:
        return NodePlan(node, tuple(_changes(resources, facts)))
    except ProvisionError as error:
        return NodePlan(node, problem=str(error))


def plan_for(
    inventory: Inventory, node: Node, material: Material, facts: Facts, *, now_s: float, asked: Question | None = None
) -> NodePlan:
    """What is to be done on this node. `now_s` is the controller's time when it had the facts; `asked` what it asked, by
    default `questions`."""
    scene = Scene(inventory, node, material, facts, now_s)
    known = tuple(notes(scene))
    if problem := obstacle(scene):
        return NodePlan(node.name, problem=problem, notes=known)
    if unasked(inventory, node, material, facts, asked or questions(inventory, node, material)) is not None:
        return NodePlan(node.name, problem="not everything was asked of it: ask what `unasked` says", notes=known)
    plan = compare(node.name, wanted(inventory, node, material, facts, now_s=now_s), facts)
    if problem := too_full(scene, plan.changes):
        return NodePlan(node.name, problem=problem, notes=known)
    return replace(plan, notes=known)


def _changes(resources: Sequence[Resource], facts: Facts) -> Iterator[Change]:
    handlers: list[Handler] = [resource for resource in resources if isinstance(resource, Effect | Service)]
    for resource in resources:
        for change in resource.changes(facts):
            pending = [name for name in _who_lives_by(resource, handlers) if facts.stamps.get(name) != PENDING]
            facts = _as_they_will_be(facts, change, pending)
            yield replace(change, steps=(*(steps.stamp(name, PENDING) for name in pending), *change.steps))


def _as_they_will_be(facts: Facts, change: Change, pending: Sequence[str]) -> Facts:
    """What the resources after it will find: two may have something to say about one file."""
    files = {str(request["path"]): _written(request) for request in _requests(change, "write")}
    links = {str(request["path"]): str(request["target"]) for request in _requests(change, "link")}
    stamps = {str(request["name"]): str(request["value"]) for request in _requests(change, "stamp")}
    return replace(
        facts,
        files={**facts.files, **files},
        links={**facts.links, **links},
        stamps={**facts.stamps, **dict.fromkeys(pending, PENDING), **stamps},
    )


def _requests(change: Change, do: str) -> list[dict[str, Any]]:
    return [step.request for step in change.steps if step.do == do]


def _written(request: dict[str, Any]) -> FileFact:
    content = base64.b64decode(request["content"])
    return FileFact(hashlib.sha256(content).hexdigest(), request["mode"], request["owner"], content)


def _who_lives_by(resource: Resource, handlers: Iterable[Handler]) -> Iterator[str]:
    for handler in handlers:
        yield from (name for name, lived in handler.lives_by.items() if resource in lived)
