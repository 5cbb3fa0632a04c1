"""The recipe of `picluster.provision` with what only the controller has: secrets, the inventory, software, the time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from picluster.model.inventory import Inventory, Node
from picluster.provision.compare import plan_for, unasked
from picluster.provision.facts import Facts, Question
from picluster.provision.plan import NodePlan
from picluster.provision.recipe import questions
from picluster.provision.scene import Material
from picluster.provision.steps import Blob

__all__ = ["Blueprint", "Cookbook", "Software"]

Software = Callable[[Mapping[str, Facts]], Mapping[str, tuple[Blob, ...]]]
"""The wheels for each of these nodes on which they run, by name. Raises ProvisionError where some cannot be had."""


class Blueprint(Protocol):
    """What the inventory makes of a node."""

    def gather(self, node: Node, ask: Callable[[Question], Facts]) -> Facts:
        """Everything that has to be known of it. Called in the node's thread; `ask` is a round trip."""
        ...

    def prepare(self, facts: Mapping[str, Facts]) -> None:
        """Get whatever these nodes need and is not there yet, such as software for their kinds. Raises ProvisionError."""
        ...

    def plan(self, node: Node, facts: Facts) -> NodePlan:
        """Facts are those that were gathered last."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    now_s: float
    """When the answer came."""


class Cookbook:
    """The blueprint of an inventory. `material` is all that is the same for every node."""

    def __init__(self, inventory: Inventory, material: Material, software: Software) -> None:
        self._inventory, self._material, self._software = inventory, material, software
        self._wheels: dict[str, tuple[Blob, ...]] = {}
        self._asked: dict[str, _Asked] = {}

    def gather(self, node: Node, ask: Callable[[Question], Facts]) -> Facts:
        question = questions(self._inventory, node, self._material)
        facts = ask(question)
        further = unasked(self._inventory, node, self._material, facts, question)
        if further is not None:
            question, facts = further, ask(further)
        self._asked[node.name] = _Asked(question, time.time())
        return facts

    def prepare(self, facts: Mapping[str, Facts]) -> None:
        missing = {name: one for name, one in facts.items() if name not in self._wheels}
        if missing:
            self._wheels |= self._software(missing)

    def plan(self, node: Node, facts: Facts) -> NodePlan:
        wheels = self._wheels.get(node.name, ())
        digest = hashlib.sha256(" ".join(wheel.digest for wheel in wheels).encode()).hexdigest()
        material = replace(self._material, wheels=wheels, software=digest)
        asked = self._asked[node.name]
        return plan_for(self._inventory, node, material, facts, now_s=asked.now_s, asked=asked.question)
