"""What came of a run, as values and as JSON. Everything that is printed, drawn or judged follows from this alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.figures import Figures, Summary, summarised
from picluster.errors import LabError

__all__ = ["Finding", "Results", "load"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one scenario under one system: figures, or why there are none."""

    system: str
    scenario: str
    figures: Figures = field(default_factory=dict)
    failure: str = ""
    """A sentence's end; empty where all went as it should."""


@dataclass(frozen=True, slots=True)
class Results:
    machine: str
    """What it ran on, in a line."""
    taken: str
    """The day, as ISO 8601 has it."""
    versions: Sequence[str]
    """Of everything that was measured: name and version."""
    findings: Sequence[Finding]
    missing: Sequence[str] = ()
    """What could not be measured here, and why: sentences."""

    def finding(self, system: str, scenario: str) -> Finding | None:
        return next((one for one in self.findings if (one.system, one.scenario) == (system, scenario)), None)

    def value(self, system: str, scenario: str, figure: str, summary: Summary) -> float | None:
        """None where it was not measured."""
        finding = self.finding(system, scenario)
        samples = finding.figures.get(figure, ()) if finding else ()
        return summarised(samples, summary) if samples else None

    def ratio(self, system: str, peer: str, scenario: str, figure: str, summary: Summary) -> float | None:
        """Of the peer's; None where one of both was not measured, or where the peer's is zero."""
        mine, theirs = (self.value(one, scenario, figure, summary) for one in (system, peer))
        return mine / theirs if mine is not None and theirs else None

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)


def load(file: Path) -> Results:
    """Raises LabError where that is not what `as_json` has written."""
    try:
        whole = json.loads(file.read_text(encoding="utf-8"))
        versions, missing = (tuple(map(str, whole[name])) for name in ("versions", "missing"))
        return Results(str(whole["machine"]), str(whole["taken"]), versions, tuple(findings(whole["findings"])), missing)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{file} does not hold results of `make bench` ({error}). Name a file written with --json") from error


def findings(values: Iterable[dict[str, object]]) -> Iterable[Finding]:
    """From what JSON has made of them. Raises ValueError where a figure is no list of numbers."""
    for value in values:
        figures = value["figures"]
        if not isinstance(figures, dict) or not all(isinstance(samples, list) for samples in figures.values()):
            raise ValueError(f"the figures of {value['system']} are no lists")
        numbers = {str(name): tuple(map(float, samples)) for name, samples in figures.items()}
        yield Finding(str(value["system"]), str(value["scenario"]), numbers, str(value["failure"]))
