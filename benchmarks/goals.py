"""What picluster is to reach, and whether it did. Most goals are ratios to a peer in the same run, so that they hold on any
machine; nobody may ever answer twice, and what it costs is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Column, Summary
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS, scenario
from benchmarks.systems import SYSTEMS, System, system

__all__ = ["GOALS", "Goal", "Verdict", "verdict", "verdicts"]


@dataclass(frozen=True, slots=True)
class Goal:
    system: System
    scenario: str
    column: Column
    most: float
    of_peer: bool = False
    """Whether `most` is a ratio to the figure of the peer that the system is compared with."""

    @property
    def title(self) -> str:
        return f"{self.system.title}: {scenario(self.scenario).title}: {self.column.heading}"

    @property
    def wanted(self) -> str:
        if self.of_peer:
            return f"≤ {self.most:.2f} of {system(self.system.against).title}"
        return f"≤ {self.most:,.{self.column.digits}f} {self.column.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Verdict:
    goal: Goal
    value: float | None
    """In the goal's terms; None where it was not measured."""

    @property
    def met(self) -> bool:
        return self.value is not None and self.value <= self.goal.most

    @property
    def reached(self) -> str:
        if self.value is None:
            return "not measured"
        if self.goal.of_peer:
            return f"{self.value:.2f}"
        return f"{self.value:,.{self.goal.column.digits}f} {self.goal.column.unit}".rstrip()


def _column(key: str, figure: str, summary: Summary) -> Column:
    return next(one for one in scenario(key).columns if one.name == (figure, summary))


def _goals() -> Iterator[Goal]:
    """In the order in which they are told."""
    wired, sprint, ten = system("picluster-wired"), system("picluster-sprint"), system("picluster-wired-10")
    median, worst = (_column("cut", "outage_ms", summary) for summary in (Summary.MEDIAN, Summary.WORST))
    for subject in (wired, ten):
        yield Goal(subject, "cut", median, 0.65, of_peer=True)
        yield Goal(subject, "cut", worst, 0.75, of_peer=True)
    yield Goal(sprint, "cut", median, 1.2, of_peer=True)
    for subject in (wired, sprint):
        for on_purpose in ("stop", "standby"):
            yield Goal(subject, on_purpose, _column(on_purpose, "outage_ms", Summary.MEDIAN), 5.0)
            yield Goal(subject, on_purpose, _column(on_purpose, "outage_ms", Summary.WORST), 15.0)
    yield Goal(wired, "loss", _column("loss", "outage_ms", Summary.WORST), 200.0)
    yield Goal(wired, "load", _column("load", "moves", Summary.WORST), 0.0)
    for subject in (wired, sprint):
        yield Goal(subject, "partition", _column("partition", "healed_ms", Summary.WORST), 1_000.0)
    yield from _nobody_answers_twice()
    yield from _costs(wired, holder_percent=1.2)
    yield from _costs(ten, holder_percent=2.0)


def _nobody_answers_twice() -> Iterator[Goal]:
    for subject in SYSTEMS:
        for one in SCENARIOS:
            columns = [column for column in one.columns if column.figure == "double_ms"]
            if subject.is_ours and one.key not in subject.without and columns:
                yield Goal(subject, one.key, columns[0], 0.0)


def _costs(subject: System, holder_percent: float) -> Iterator[Goal]:
    limits = {"holder_percent": holder_percent, "others_percent": 1.0, "memory_mb": 40.0}
    for figure, most in limits.items():
        yield Goal(subject, "cost", _column("cost", figure, Summary.WORST), most)


GOALS = tuple(_goals())


def verdict(goal: Goal, results: Results) -> Verdict:
    subject, (figure, summary) = goal.system, goal.column.name
    if goal.of_peer:
        return Verdict(goal, results.ratio(subject.key, subject.against, goal.scenario, figure, summary))
    return Verdict(goal, results.value(subject.key, goal.scenario, figure, summary))


def verdicts(results: Results, goal_of: tuple[str, str] | None = None) -> list[Verdict]:
    """All, or those of one system and scenario."""
    wanted = [goal for goal in GOALS if goal_of in (None, (goal.system.key, goal.scenario))]
    return [verdict(goal, results) for goal in wanted]
