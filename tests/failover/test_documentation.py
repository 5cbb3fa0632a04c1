"""The figures in docs/failover.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from picluster.model.timing import DRIFT_RATIO, PRESETS, Timing
from tests.simulation.test_broken_rules import CASES

PAGE = Path(__file__).parents[2] / "docs" / "failover.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first column has that heading."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def row_of(name: str, timing: Timing) -> list[str]:
    shortest_ms = timing.lease_ms * (1 + DRIFT_RATIO) - timing.renewal_ms + 2
    return [
        name,
        *(f"{value} ms" for value in (timing.lease_ms, timing.renewal_ms, timing.retry_ms)),
        *(f"{value:.1f} ms" for value in (shortest_ms, timing.expected_outage_ms(), timing.longest_outage_ms())),
        f"{timing.datagrams_per_second(voters=3):.0f}",
    ]


def test_the_presets_are_told_truly() -> None:
    assert rows("preset") == [row_of(name, timing) for name, timing in PRESETS.items()]


def test_every_broken_rule_is_told_of() -> None:
    told = {row[0]: int(row[2]) for row in rows("broken rule")}
    assert list(told) == [case.id for case in CASES]
    for case in CASES:
        most = case.values[2]
        assert isinstance(most, int)
        assert told[str(case.id)] <= most
