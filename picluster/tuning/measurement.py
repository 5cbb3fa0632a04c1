"""What one node measured of its ways to the voters: values that cross the control socket and are kept as JSON.

Durations are whole microseconds, counted in buckets that are 3 % wide at most and named by their upper end, so that nothing
is ever told as shorter than it was. A distribution has some hundred buckets however long it is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

EXACT_BITS = 6
"""Durations of so many bits are counted as they are, longer ones by so many leading bits."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How long something took, how often."""

    buckets: tuple[tuple[int, int], ...] = ()
    """Duration (µs) and how often, ascending."""
    longest_us: int = 0

    @property
    def count(self) -> int:
        return sum(often for _, often in self.buckets)

    def percentile_us(self, percent: float) -> int:
        """So many percent took no longer than this; 0 where nothing was counted."""
        wanted, seen = self.count * percent / 100, 0
        for duration_us, often in self.buckets:
            seen += often
            if seen >= wanted:
                return min(duration_us, self.longest_us)
        return self.longest_us

    def longer_than(self, limit_us: float) -> int:
        """How often it took longer."""
        return sum(often for duration_us, often in self.buckets if duration_us > limit_us)

    def excesses(self) -> Iterator[tuple[int, int, float]]:
        """For every duration, from the longest down: how often it was exceeded, and by how much on average (µs)."""
        count, total_us = 0, 0
        for duration_us, often in reversed(self.buckets):
            if count:
                yield duration_us, count, total_us / count - duration_us
            count += often
            total_us += often * duration_us


class Histogram:
    """A distribution that is being made."""

    def __init__(self) -> None:
        self.longest_us = 0
        self._counts: Counter[int] = Counter()

    def add(self, duration_ns: int) -> None:
        duration_us = max(0, -(-duration_ns // 1_000))
        self.longest_us = max(self.longest_us, duration_us)
        self._counts[bucket_us(duration_us)] += 1

    def distribution(self) -> Distribution:
        return Distribution(tuple(sorted(self._counts.items())), self.longest_us)


def bucket_us(duration_us: int) -> int:
    """The upper end of the bucket that a duration belongs to."""
    shift = max(0, duration_us.bit_length() - EXACT_BITS)
    return -(-duration_us >> shift) << shift


@dataclass(frozen=True, slots=True)
class Path:
    """The way to one voter and back."""

    voter: str
    asked: int
    answered: int
    round_trip: Distribution
    """From sending a question to having its answer in hand, the voter's own delay and this node's included."""
    bursts: tuple[tuple[int, int], ...]
    """How many questions in a row went unanswered, and how often that was; ascending."""

    @property
    def lost_percent(self) -> float:
        return 100 * (self.asked - self.answered) / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one node measured. A *round* is one question to all other voters at once, as each retry of a renewal is; it is
    answered when the majority is complete. Rounds come in pairs, `gap_us` apart, as a renewal and its retry do."""

    node: str
    cluster: str
    seconds: float
    rounds: int
    failed: int
    """Rounds whose majority never answered."""
    first_failed: int
    """Pairs whose first round failed."""
    both_failed: int
    gap_us: int
    late: Distribution
    """How much later than it wanted to be the agent was awake: jitter of its own scheduling."""
    waits: Distribution
    """From when a round was due to when its majority was complete; rounds that waited for one and the same thing count once,
    with the longest."""
    paths: tuple[Path, ...]
    tick_ns: int = 0
    """The tick of the node's kernel, by which the kernel's own lease ends; 0 where no kernel lease is used."""

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.gap_us <= 0:
            raise ValueError(f"a measurement of {self.seconds:g} s with rounds {self.gap_us} µs apart is none")

    @property
    def lost_share(self) -> float:
        """Of the rounds, how many were lost."""
        return self.failed / self.rounds if self.rounds else 1.0

    @property
    def again_share(self) -> float:
        """How likely a round is lost whose predecessor was, by Laplace's rule of succession: 1/2 where none ever was."""
        return max(self.lost_share, (self.both_failed + 1) / (self.first_failed + 2))

    @property
    def spacing_s(self) -> float:
        """Between two rounds, on average."""
        return self.seconds / self.rounds if self.rounds else self.seconds
