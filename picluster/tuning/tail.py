"""How often something takes longer than anything that was seen: the tail of a distribution, carried on.

Peaks over a threshold: beyond a high threshold u, what exceeds it is taken to be exponential, with the mean excess that was
seen as its scale. That is the generalised Pareto distribution of extreme value theory (Pickands 1975; Balkema and de Haan
1974) with the shape 0.

    rate(x) = n / s × e^(−(x − u) / σ)       n waits longer than u in s seconds, longer by σ on average

The shape is not fitted: from the few dozen values in a minute's tail it comes out anywhere between 0 and 0.5, and carried
from a minute to a year that is a factor of a hundred in x. Nor is one u chosen. Every threshold in the upper tenth that
three or more values exceed makes a forecast, and the gravest counts. Where the tail is heavier than exponential, the mean
excess grows with the threshold, and the highest thresholds rule.

Held against simulated minutes: what an exponential tail exceeds once a year is told 1.2 times as long as it is on average,
1.0 to 1.7 times in single minutes. A lognormal one is told 0.8 times as long, a hundred times beyond what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from picluster.tuning.measurement import Distribution

FEWEST = 3
"""Values above a threshold: fewer say too little about their mean. No more, since a single long stall has to count."""
SHARE = 0.1
"""Of all values, at most so many belong to the tail."""


@dataclass(frozen=True, slots=True)
class Threshold:
    over_us: int
    count: int
    """How many exceeded it."""
    scale_us: float
    """By how much on average."""

    def rate(self, x_us: float, seconds: float) -> float:
        """How often a second something longer than that is to be expected."""
        return self.count / seconds * math.exp(-max(0.0, x_us - self.over_us) / self.scale_us)


@dataclass(frozen=True, slots=True)
class Tail:
    thresholds: tuple[Threshold, ...]
    seen: Distribution
    seconds: float

    @classmethod
    def of(cls, seen: Distribution, seconds: float) -> Tail:
        """Of what was seen within so many seconds."""
        return cls(tuple(_thresholds(seen)), seen, seconds)

    def ruling(self, x_us: float) -> Threshold:
        """The threshold that makes the gravest forecast. ValueError where nothing was seen."""
        below = [one for one in self.thresholds if one.over_us <= x_us] or self.thresholds[-1:]
        return max(below, key=lambda one: one.rate(x_us, self.seconds))

    def rate(self, x_us: float) -> float:
        """How often a second something longer than that is to be expected: as carried on, and no less than was seen."""
        if not self.thresholds:
            return 0.0
        return max(self.ruling(x_us).rate(x_us, self.seconds), self.seen.longer_than(x_us) / self.seconds)


def _thresholds(seen: Distribution) -> Iterator[Threshold]:
    """From the highest down; where hardly anything differs, all values over nothing."""
    count, any_found = seen.count, False
    for over_us, exceeding, excess_us in seen.excesses():
        if min(FEWEST, count) <= exceeding <= max(FEWEST, SHARE * count):
            any_found = True
            yield Threshold(over_us, exceeding, excess_us)
    if count and not any_found:
        yield Threshold(0, count, max(1.0, sum(duration * often for duration, often in seen.buckets) / count))
