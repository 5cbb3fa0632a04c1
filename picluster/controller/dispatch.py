"""The inventory and the cluster's key brought to agents that run, and nothing else: no software, no settings, no restart.

`up` brings everything that is different. Where voters come or go, or the key changes, one thing after the other has to reach
everybody, and each has to be *lived by* before the next: so this is a smaller recipe, of the same resources, so that a later
`up` finds nothing to do. Each delivery ends with the agents' own word for it, the digest of the files that they live by.

A node that was away for more than one step is restarted with the newest file: it comes in as a stranger that holds nothing
(docs/failover.md). One on which picluster was never set up is left alone; `up` brings it everything.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from picluster.controller.agents import ask_agent
from picluster.controller.crew import Crew, Outcome
from picluster.controller.shell import Shell
from picluster.controller.talking import ask_facts, labelled, obey
from picluster.errors import ControlError, ProvisionError
from picluster.failover.ballot import GATEWAY
from picluster.model.inventory import Configuration, Inventory, Node
from picluster.provision import steps
from picluster.provision.agent import PART, UNIT, configuration
from picluster.provision.compare import compare, question
from picluster.provision.facts import Facts
from picluster.provision.plan import Change
from picluster.provision.resources import Resource, TextFile
from picluster.provision.scene import Material, Scene
from picluster.provision.services import Service

__all__ = ["Arrival", "Cargo", "Dispatch", "Electorate", "electorate", "stop_agent"]

Electorate = frozenset[str]
"""Who votes, the gateway too where it breaks a tie."""

DELIVERY_S = 90.0
"""Silence of a node that is brought two small files."""
LIVING_S = 20.0
"""How long an agent may take to read them: milliseconds; a restart takes seconds."""
LOOK_S = 0.3


def electorate(configuration: Configuration) -> Electorate:
    return frozenset(configuration.voters) | ({GATEWAY} if configuration.tie_breaker else frozenset())


@dataclass(frozen=True, slots=True)
class Cargo:
    """What everybody is to live by."""

    inventory: Inventory
    text: bytes = field(repr=False)
    """The inventory as its user wrote it."""
    key: bytes = field(repr=False)
    """The key file."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What was found, and done, on a node that lives by the cargo now; or where nothing was ever set up."""

    set_up: bool = True
    lived: bool = True
    """Whether it had lived by these files already."""
    other_key: bool = False
    """Whether it had, or lived by, another key: one that it had not read yet looks like an inventory that it had not."""
    epoch: int | None = None
    """Which it lived by before; None where no agent ran."""
    electorate: Electorate | None = None
    """Who voted by its word, where it lived by another epoch."""


class Dispatch:
    """Brings cargoes. `who` is told to other controllers that find the node busy."""

    def __init__(
        self, crew: Crew, who: str, pause: Callable[[float], None] = time.sleep, patience_s: float = LIVING_S
    ) -> None:
        self.crew = crew
        self.pause = pause
        self._who, self._patience_s = who, patience_s

    def deliver(self, cargo: Cargo, nodes: Iterable[Node], stage: str) -> Mapping[str, Outcome[Arrival]]:
        """To all of them side by side. An outcome without a failure and with `set_up` is a node that lives by the cargo."""
        return self.crew.each(nodes, lambda node, shell: self._bring(cargo, node, shell), DELIVERY_S, stage)

    def silence(self, node: Node) -> Outcome[None]:
        """Stop its agent, now and for the next boot: it votes no more."""

        def task(one: Node, shell: Shell) -> None:
            stop_agent(shell, one.name, self._who, self.crew)

        return self.crew.each([node], task, DELIVERY_S, "stopping its agent")[node.name]

    def _bring(self, cargo: Cargo, node: Node, shell: Shell) -> Arrival:
        """In the node's thread."""
        load = _Load(cargo, node)
        facts = ask_facts(shell, load.question)
        if facts.units.get(UNIT) is None or facts.units[UNIT].load == "not-found":
            return Arrival(set_up=False, lived=False)
        load.refuse_strangers(facts)
        arrival = load.arrival(facts, shell)
        changes = load.changes(facts)
        if changes:
            obey(shell, node.name, labelled(changes), facts.blobs, self._who, self.crew.desk.tell)
        if not arrival.lived or changes:
            self._wait_until_it_lives_by(load.digest(facts), shell)
        return arrival

    def _wait_until_it_lives_by(self, digest: str, shell: Shell) -> None:
        deadline = time.monotonic() + self._patience_s
        while why := _what_is_else(digest, shell):
            if time.monotonic() > deadline:
                raise ProvisionError(why)
            self.pause(LOOK_S)


class _Load:
    """A cargo for one node."""

    def __init__(self, cargo: Cargo, node: Node) -> None:
        self._cargo, self._node = cargo, node
        material = Material(cargo.key, cargo.text, authorized_key="", unit="", sysusers="")
        scene = Scene(cargo.inventory, node, material, Facts(), 0.0)
        self._own, self._inventory, self._key = configuration(scene)
        self.question = question([self._own, self._inventory, self._key, self._service("")])

    def digest(self, facts: Facts) -> str:
        """What its agent says of itself when it lives by these files, and by the one of its own that is there."""
        own = facts.files.get(self._own.path)
        digests = ("" if own is None else own.digest, _digest(self._inventory), _digest(self._key))
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def refuse_strangers(self, facts: Facts) -> None:
        """Raises ProvisionError where this is not the agent that is meant, or it is ahead of us."""
        agent, inventory = facts.agent, self._cargo.inventory
        if agent is None:
            return
        if (agent.node, agent.cluster) != (self._node.name, inventory.cluster):
            raise ProvisionError(f"the agent there is {agent.node} of cluster {agent.cluster}; look at its address")
        if agent.epoch > inventory.configuration.epoch:
            raise ProvisionError(
                f"its agent lives by epoch {agent.epoch}, and this inventory has {inventory.configuration.epoch}: "
                "it is an older copy; go on with the newest one"
            )

    def arrival(self, facts: Facts, shell: Shell) -> Arrival:
        agent = facts.agent
        if agent is None:
            return Arrival(lived=False, other_key=not _is_there(self._key, facts))
        lived = agent.configuration == self.digest(facts)
        other_key = not _is_there(self._key, facts) or (not lived and _is_there(self._inventory, facts))
        behind = agent.epoch != self._cargo.inventory.configuration.epoch
        votes = _electorate_of(shell) if behind else None
        return Arrival(True, lived, other_key, agent.epoch, votes)

    def changes(self, facts: Facts) -> tuple[Change, ...]:
        agent, epoch = facts.agent, self._cargo.inventory.configuration.epoch
        stale = agent is not None and agent.configuration != self.digest(facts)
        resources: list[Resource] = [self._inventory, self._key, self._service("lives by other files" if stale else "")]
        plan = compare(self._node.name, resources, facts)
        if plan.problem:
            raise ProvisionError(plan.problem)
        missed = agent is not None and agent.epoch < epoch - 1
        return tuple(map(_restarting, plan.changes)) if missed else plan.changes

    def _service(self, stale: str) -> Service:
        return Service(PART, UNIT, (), (self._inventory, self._key), stale=stale)


def stop_agent(shell: Shell, node: str, who: str, crew: Crew) -> None:
    """In the node's thread; nothing happens where there is none."""
    facts = ask_facts(shell, Service(PART, UNIT).question)
    found = facts.units.get(UNIT)
    if found is None or found.load == "not-found":
        return
    stop = Change(PART, "picluster", "is to vote no more", (steps.unit(UNIT, enabled=False, state="stopped"),))
    obey(shell, node, labelled([stop]), (), who, crew.desk.tell)


def _restarting(change: Change) -> Change:
    """The same with a restart in place of a reload."""
    done = [steps.unit(UNIT, enabled=True, state="restarted") if step.do == "unit" else step for step in change.steps]
    return replace(change, steps=tuple(done))


def _what_is_else(digest: str, shell: Shell) -> str:
    """Why the agent does not live by the files yet; empty where it does. A signal to reload has no answer, so one that was
    refused is asked for again where there is one."""
    try:
        if ask_agent(shell, do="status")["status"]["configuration"] == digest:
            return ""
        ask_agent(shell, do="reload")
    except (LookupError, TypeError):
        return "its agent does not say which files it lives by; bring it up to date: picluster upgrade"
    except ControlError as error:
        return f"its agent goes on by the files that it had: {error}"
    return "its agent lives by other files than these"


def _electorate_of(shell: Shell) -> Electorate | None:
    """Who votes, by the agent's word; None where it does not say."""
    try:
        quorum = ask_agent(shell, do="status")["status"]["cluster"]["quorum"]
        return frozenset(map(str, quorum["voters"])) | ({GATEWAY} if quorum["tie_breaker"] else frozenset())
    except (ControlError, LookupError, TypeError):
        return None


def _is_there(file: TextFile, facts: Facts) -> bool:
    found = facts.files.get(file.path)
    return found is not None and found.digest == _digest(file)


def _digest(file: TextFile) -> str:
    return hashlib.sha256(file.content).hexdigest()
