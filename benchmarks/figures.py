"""What a scenario's figures are called, and how samples become one number."""

from __future__ import annotations

import enum
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Column", "Figures", "Summary", "summarised"]

Figures = Mapping[str, Sequence[float]]
"""Samples by the figure's name: one for each time that something was done, or a single one."""


class Summary(enum.Enum):
    MEDIAN = "median"
    WORST = "worst"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Column:
    """A number that is printed of a figure."""

    figure: str
    heading: str
    unit: str = "ms"
    summary: Summary = Summary.WORST
    digits: int = 0
    compared: bool = False
    """Whether its ratio to the peer's says anything."""

    @property
    def name(self) -> tuple[str, Summary]:
        return self.figure, self.summary


def summarised(samples: Sequence[float], summary: Summary) -> float:
    """There is at least one sample."""
    match summary:
        case Summary.MEDIAN:
            return statistics.median(samples)
        case Summary.WORST:
            return max(samples)
        case Summary.TOTAL:
            return sum(samples)
