"""The results as plain text: for each scenario a row for each system, then the goals. They follow from the results alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from benchmarks.figures import Column
from benchmarks.goals import Verdict, verdicts
from benchmarks.results import Finding, Results
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.systems import SYSTEMS, System, system

__all__ = ["table"]

WIDTH = 120
TITLE = 29
CELL = 20
BRACKETS = "A figure in brackets is the ratio to the system that is named under its table."
NARROW = 11
"""A column's width where it has no ratio beside it."""


def table(results: Results) -> str:
    """Ends without a line feed."""
    head = [f"{results.machine}, {results.taken}", *_wrapped(", ".join(results.versions)), BRACKETS]
    sections = ["\n".join(head)]
    sections += ["\n".join(_section(results, one)) for one in SCENARIOS if _findings(results, one)]
    sections.append("\n".join(_goals(verdicts(results))))
    if results.missing:
        sections.append("\n".join(f"not measured: {sentence}" for sentence in results.missing))
    return "\n\n".join(sections)


def _findings(results: Results, one: Scenario) -> list[tuple[System, Finding]]:
    found = [(subject, results.finding(subject.key, one.key)) for subject in SYSTEMS]
    return [(subject, finding) for subject, finding in found if finding is not None]


def _section(results: Results, one: Scenario) -> Iterator[str]:
    found = _findings(results, one)
    headings = "".join(f"{_heading(column):>{_width(column)}}" for column in one.columns)
    yield f"{one.title}\n{'':<{TITLE}}{headings}  goals"
    for subject, finding in found:
        if finding.failure:
            yield f"{subject.title:<{TITLE}}failed: {finding.failure}"
            continue
        cells = "".join(f"{_cell(results, subject, one, column):>{_width(column)}}" for column in one.columns)
        yield f"{subject.title:<{TITLE}}{cells}  {_judged(verdicts(results, (subject.key, one.key)))}".rstrip()
    played = {subject.key for subject, finding in found if not finding.failure}
    compared = [
        subject for subject, _ in found if subject.against in played and any(column.compared for column in one.columns)
    ]
    for peer in dict.fromkeys(subject.against for subject in compared):
        names = ", ".join(subject.title for subject in compared if subject.against == peer)
        yield from _wrapped(f"  compared with {system(peer).title}: {names}")


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _heading(column: Column) -> str:
    return f"{column.heading} {column.unit}".strip()


def _width(column: Column) -> int:
    return CELL if column.compared else max(NARROW, len(_heading(column)) + 2)


def _cell(results: Results, subject: System, one: Scenario, column: Column) -> str:
    value = results.value(subject.key, one.key, *column.name)
    if value is None:
        return "–"
    ratio = results.ratio(subject.key, subject.against, one.key, *column.name) if column.compared else None
    return f"{value:,.{column.digits}f}" + (f" ({ratio:.2f})" if ratio is not None else "")


def _judged(found: Sequence[Verdict]) -> str:
    """Of one row. What was not measured is neither met nor missed: a ratio, for instance, to a peer that was not played."""
    measured = [one for one in found if one.value is not None]
    missed = [one.goal.column.heading for one in measured if not one.met]
    if missed:
        return f"not met: {', '.join(missed)}"
    return "met" if measured else ""


def _goals(found: Sequence[Verdict]) -> Iterator[str]:
    """Those that were not measured are counted, and those that were not met are told."""
    measured = [one for one in found if one.value is not None]
    missed = [one for one in measured if not one.met]
    unknown = len(found) - len(measured)
    reached = f"{len(measured) - len(missed)} of {len(measured)} goals met"
    yield reached + (f"; {unknown} were not measured" if unknown else "")
    for one in missed:
        yield f"  not met: {one.goal.title}: {one.reached}, wanted {one.goal.wanted}"
