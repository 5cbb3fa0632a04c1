"""Plays the plan: each system in namespaces of its own, one after the other, so that none feels another.

Namespaces are left by ending the process in them, so what is found comes back through a pipe, a line for each scenario. A
scenario that fails costs its own figures and no others: the rest is played in new namespaces.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from benchmarks.effort import Effort
from benchmarks.plan import Part
from benchmarks.results import Finding, findings
from benchmarks.scenarios import Scenario
from benchmarks.stage import Stage
from picluster.adapters.namespaces import run_isolated
from picluster.adapters.urgency import PRIORITY
from picluster.errors import PiclusterError
from picluster.lab import report
from picluster.lab.mode import memory_place

__all__ = ["Manner", "run"]

LONGEST_S = 300.0
"""For one scenario, a load of any length aside; what takes longer hangs."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Manner:
    """How all systems are run."""

    real_time: bool = False
    """Whether all but what burns has the real-time priority that picluster's agent takes on a board. No user namespace
    grants it: this process has to be the machine's root."""
    logs: Path | None = None
    """Where a directory for each system keeps what its daemons have said."""


def run(parts: Sequence[Part], say: Say, manner: Manner = Manner()) -> list[Finding]:
    """`say` is told what is being done, and what to know about a failure."""
    return [finding for part in parts for finding in _found(part, say, manner)]


def _found(part: Part, say: Say, manner: Manner) -> Iterator[Finding]:
    remaining = part.scenarios
    while remaining:
        done = _in_namespaces(part, remaining, say, manner)
        yield from done
        remaining = remaining[len(done) :]


def _in_namespaces(part: Part, scenarios: Sequence[Scenario], say: Say, manner: Manner) -> list[Finding]:
    """All scenarios, or those up to the first that failed: at least one."""
    reading, writing = os.pipe()

    def inside() -> int:
        os.close(reading)
        if manner.real_time:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
        with os.fdopen(writing, "w", encoding="utf-8") as told:
            _play(part, scenarios, told, say, manner)
        return 0

    # The pipe has room for all: figures are few.
    code = run_isolated(inside, users=not manner.real_time)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        done = list(findings(map(json.loads, told)))
    if not done or (len(done) < len(scenarios) and not done[-1].failure):
        lost = scenarios[len(done)].key
        done.append(Finding(part.system.key, lost, failure=f"it ended with code {code}; standard error says why"))
    return done


def _play(part: Part, scenarios: Sequence[Scenario], told: TextIO, say: Say, manner: Manner) -> None:
    signal.signal(signal.SIGALRM, _too_long)
    say(f"{part.system.title}: starting {part.system.nodes} nodes")
    with Stage(part.system.make(part.system.nodes, memory_place()), part.system.calm_s) as stage:
        finding = None
        for scenario in scenarios:
            finding = _one(stage, part, scenario, say, opening=finding is None)
            print(json.dumps(asdict(finding)), file=told, flush=True)
            if finding.failure:
                break
        if manner.logs:
            stage.machines.keep_logs(manner.logs / part.system.key)


def _one(stage: Stage, part: Part, scenario: Scenario, say: Say, *, opening: bool) -> Finding:
    """Whatever goes wrong becomes the finding's failure, and the logs are told."""
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S + part.effort.load_s)
    key = part.system.key
    try:
        if opening:
            stage.open()
        say(f"{part.system.title}: {scenario.title}")
        return Finding(key, scenario.key, _plain(scenario, stage, part.effort))
    except Exception as error:  # a scenario that fails, by whatever, must not take the others with it
        say(f"{traceback.format_exc()}{report.last_words(stage.machines.logs)}")
        return Finding(key, scenario.key, failure=str(error) if isinstance(error, PiclusterError) else repr(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _plain(scenario: Scenario, stage: Stage, effort: Effort) -> dict[str, tuple[float, ...]]:
    return {name: tuple(samples) for name, samples in scenario.play(stage, effort).items()}


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError("it took longer than any scenario may")
