"""What has to be told when something it lives by has changed: services, and other effects that a file alone does not have.

A restart that is only "notified" gets lost when the connection is cut before it: the next run finds the file as it should
be, and all is said to be well. So the node itself remembers, in a stamp for each effect:

    no stamp        none of our changes ever waited for this effect, so it has what was there when it started
    empty           something has been changed, and the effect has not had it yet: the first step of each such change
    a digest        of everything that it lived by when it took place last

`picluster.provision.compare` puts the empty stamp before the change; here is what follows from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from picluster.provision import steps
from picluster.provision.facts import Facts, Question, UnitFact
from picluster.provision.plan import Change
from picluster.provision.resources import Lived, Resource
from picluster.provision.steps import Step

__all__ = ["Effect", "Handler", "Service"]

AT_BOOT = frozenset({"enabled", "static", "alias", "indirect", "generated"})
"""What systemctl(1) is-enabled says of units that need no enabling."""
RUNNING = frozenset({"active", "activating", "reloading"})
NOWHERE = UnitFact("not-found", "", "")


class Handler(Resource, Protocol):
    """A resource that lives by others."""

    @property
    def lives_by(self) -> Mapping[str, tuple[Lived, ...]]:
        """By the name of the stamp."""
        ...


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to be done when what it lives by has changed."""

    part: str
    what: str
    reason: str
    stamp: str
    lived: tuple[Lived, ...]
    steps: tuple[Step, ...]

    @property
    def question(self) -> Question:
        return Question(stamps=(self.stamp,))

    @property
    def lives_by(self) -> Mapping[str, tuple[Lived, ...]]:
        return {self.stamp: self.lived}

    def changes(self, facts: Facts) -> Iterator[Change]:
        digest = _digest(self.lived)
        if _is_due(facts, self.stamp, digest):
            yield Change(self.part, self.what, self.reason, (*self.steps, steps.stamp(self.stamp, digest)))


@dataclass(frozen=True, slots=True)
class Service:
    """A unit that is to run, now and after each boot, with what is there now."""

    part: str
    name: str
    restart_for: tuple[Lived, ...] = ()
    reload_for: tuple[Lived, ...] = ()
    may_idle: bool = False
    """Whether it is well although it does not run: units have conditions (man 5 systemd.unit), such as a clock to set."""
    stale: str = ""
    """Why it is to be reloaded, whatever the stamps say: what it said of itself."""
    restart_only: bool = False
    """Whether it would refuse to reload: then it is restarted where it would be reloaded."""

    @property
    def question(self) -> Question:
        return Question(units=(self.name,), stamps=tuple(self.lives_by))

    @property
    def lives_by(self) -> Mapping[str, tuple[Lived, ...]]:
        both = {self.name: self.restart_for, f"{self.name}.reload": self.reload_for}
        return {stamp: lived for stamp, lived in both.items() if lived}

    def changes(self, facts: Facts) -> Iterator[Change]:
        unit = facts.units.get(self.name, NOWHERE)
        state, reason = self._state(facts, unit)
        if unit.enabled not in AT_BOOT:
            reason = " and ".join(filter(None, (reason, "does not start at boot")))
        if reason:
            done = [steps.unit(self.name, enabled=True, state=state)]
            stamps = [steps.stamp(name, _digest(lived)) for name, lived in self._settled(state).items()]
            yield Change(self.part, self.name.removesuffix(".service"), reason, (*done, *stamps))

    def _state(self, facts: Facts, unit: UnitFact) -> tuple[str, str]:
        """What to bring it to, and why; both empty where it runs as it should."""
        if unit.active == "failed":
            return "started", "has failed"
        if unit.active not in RUNNING and not self.may_idle:
            return "started", "does not run"
        if _is_due(facts, self.name, _digest(self.restart_for)):
            return "restarted", "runs with what was there before"
        if _is_due(facts, f"{self.name}.reload", _digest(self.reload_for)):
            return self._reloading, "has not read what has changed"
        if self.stale:
            return self._reloading, self.stale
        return ("started" if unit.enabled not in AT_BOOT else ""), ""

    @property
    def _reloading(self) -> str:
        return "restarted" if self.restart_only else "reloaded"

    def _settled(self, state: str) -> Mapping[str, tuple[Lived, ...]]:
        """What it lives by afterwards."""
        if state == "reloaded":
            return {name: lived for name, lived in self.lives_by.items() if name != self.name}
        return self.lives_by


def _is_due(facts: Facts, stamp: str, digest: str) -> bool:
    return facts.stamps.get(stamp, digest) != digest


def _digest(lived: tuple[Lived, ...]) -> str:
    return hashlib.sha256("\n".join(one.mark for one in lived).encode()).hexdigest()
