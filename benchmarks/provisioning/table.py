"""What came of it: a row for each contestant, seconds of wall clock, and of the controller's processor in brackets.

Pure: it follows from the findings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.provisioning.runner import PHASES, Finding

__all__ = ["table"]

TITLE, CELL = 38, 16


def table(findings: Sequence[Finding], titles: Mapping[str, str]) -> str:
    """Ends without a line feed."""
    columns = sorted({(one.nodes, PHASES.index(one.phase)) for one in findings})
    heads = "".join(f"{f'{nodes} nodes':>{CELL}}" for nodes, _ in columns)
    phases = "".join(f"{PHASES[phase]:>{CELL}}" for _, phase in columns)
    found = {(one.contestant, one.nodes, PHASES.index(one.phase)): one for one in findings}
    rows = [
        f"{title:<{TITLE}}" + "".join(f"{_cell(found.get((key, *column))):>{CELL}}" for column in columns)
        for key, title in titles.items()
        if any(one.contestant == key for one in findings)
    ]
    return "\n".join([f"{'':<{TITLE}}{heads}", f"{'':<{TITLE}}{phases}", *rows, *_failures(findings, titles)])


def _cell(finding: Finding | None) -> str:
    if finding is None:
        return ""
    return "fails" if finding.failure else f"{finding.wall_s:.1f} ({finding.processor_s:.1f})"


def _failures(findings: Iterable[Finding], titles: Mapping[str, str]) -> list[str]:
    return [f"{titles[one.contestant]}, {one.phase}, {one.nodes} nodes: {one.failure}" for one in findings if one.failure]
