"""Which scenario is played under which system."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.effort import FULL, QUICK, Effort
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.systems import SYSTEMS, System
from picluster.errors import LabError

__all__ = ["Part", "plan"]

IN_A_HURRY = ("picluster-wired", "keepalived-0.1s", "picluster-sprint", "keepalived-0.01s")


@dataclass(frozen=True, slots=True)
class Part:
    """One system, and all that happens to it."""

    system: System
    scenarios: tuple[Scenario, ...]
    effort: Effort


def plan(only: Sequence[str], *, quick: bool, load_s: float | None = None) -> list[Part]:
    """`only`: patterns of `SYSTEM/SCENARIO`, of a system, or of a scenario, with `*` as in file names; none: everything.
    Raises LabError where a pattern fits nothing. `load_s`: how long the load lasts, instead of what is usual."""
    wanted = _wanted(only)
    effort = QUICK if quick else FULL
    effort = effort if load_s is None else replace(effort, load_s=load_s)
    parts = []
    for system in SYSTEMS:
        if quick and not only and system.key not in IN_A_HURRY:
            continue
        scenarios = tuple(one for one in SCENARIOS if one.key not in system.without and wanted(system, one))
        if scenarios:
            parts.append(Part(system, scenarios, effort.of_a_slow_one() if system.slow else effort))
    return parts


def _wanted(only: Sequence[str]) -> Callable[[System, Scenario], bool]:
    every = [(system, scenario) for system in SYSTEMS for scenario in SCENARIOS if scenario.key not in system.without]
    for pattern in only:
        if not any(_fits(pattern, system, scenario) for system, scenario in every):
            systems, scenarios = (" ".join(one.key for one in some) for some in (SYSTEMS, SCENARIOS))
            raise LabError(f"--only {pattern} fits nothing. There are the systems {systems}, and the scenarios {scenarios}")
    return lambda system, scenario: not only or any(_fits(pattern, system, scenario) for pattern in only)


def _fits(pattern: str, system: System, scenario: Scenario) -> bool:
    names = (system.key, scenario.key, f"{system.key}/{scenario.key}")
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)
