"""Results that nobody measured, for tests of what follows from results."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.figures import Figures
from benchmarks.results import Finding, Results

__all__ = ["Found", "made_up"]

Found = Mapping[tuple[str, str], Figures]
"""By system and scenario."""


def made_up(found: Found, failures: Mapping[tuple[str, str], str] | None = None) -> Results:
    """Failures too go by system and scenario."""
    findings = [Finding(system, scenario, figures) for (system, scenario), figures in found.items()]
    findings += [Finding(system, scenario, failure=why) for (system, scenario), why in (failures or {}).items()]
    return Results("a machine, 2 cores", "2000-01-01", ("keepalived 2",), tuple(findings))
