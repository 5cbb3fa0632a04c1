"""The shortest lease that this hardware and this network can keep, and what every lease would mean here.

A holder renews R after the renewal before, and has until the lease T ends to get a majority's answer. Its kernel's lease may
end up to a few ticks earlier; what is less counts. So a renewal may take

    left = min(T, kernel's lease) − R

Two things make it take longer, and they are counted apart.

    lost    Every round of questions is lost. The first question goes to no more voters than are needed, so it is left out;
            the others go to all that have not answered, one every retry:
                rounds = (left − answer) / retry                     answer: the 99th percentile of the waits
                lost   = f × c^(rounds − 1) / R                      a second
            f is the share of rounds that were lost, c how likely one is lost whose predecessor was. If the recommended retry
            comes sooner than the one that was measured, c is brought up to c^(retry / gap).
    late    The answer is late: this node, the wire or too many voters were busy. Retries do not help, they wait as well:
                late   = rate(left) × max(1, spacing / R)            a second; `tail` has rate(x)
            Where renewals come more often than the rounds that were measured, they meet more of the stalls.

    unwanted moves a year = (lost + late) × 31,557,600

Of several nodes the worst counts, since each may be the holder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from picluster.inventory.failover import BOUNDS_MS, STEPS_PER_LEASE
from picluster.model.inventory import Configuration
from picluster.model.timing import Timing
from picluster.tuning.measurement import Measurement
from picluster.tuning.tail import Tail, Threshold

SECONDS_PER_YEAR = 31_557_600
SHORTEST_RETRY_MS = 3
"""An answer that is on its way already should not be asked for again."""
FEWEST_ROUNDS = 4
"""After the first question. So even where no loss was seen, three rounds in a row may be lost."""
ROUND_TRIPS = 2
"""Retries and ranks wait for so many of the slower round trips, those of the 90th percentile. Not of the 99th: a node that
stalls now and then gets a needless datagram then, and a quick retry all the rest of the time."""
STEPS_MS = ((100, 2), (200, 5), (1_000, 10), (5_000, 50))
"""Which leases are looked at: up to the one length, in steps of the other (ms)."""

GateHolds = Callable[[Timing, int], int]
"""How long the kernel's lease lasts at least after a renewal (ms), with a tick of so many nanoseconds."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What one lease means on one node, and what the formula put in."""

    node: str
    left_ms: float
    answer_ms: float
    rounds: int
    lost_share: float
    """f of the formula."""
    again_share: float
    """c of the formula, brought up for a shorter retry."""
    lost_a_year: float
    late_a_year: float
    threshold: Threshold
    crowding: float
    """How much more often renewals come than the rounds that were measured; at least 1."""
    seen: int
    """How many waits of the measurement were longer than what is left."""

    @property
    def moves_a_year(self) -> float:
        return self.lost_a_year + self.late_a_year


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a set of timers means in this cluster."""

    timing: Timing
    expected_outage_ms: float
    longest_outage_ms: float
    datagrams_a_second: float
    reckoning: Reckoning
    """The worst node's."""

    @property
    def moves_a_year(self) -> float:
        return self.reckoning.moves_a_year


@dataclass(frozen=True, slots=True)
class Advice:
    measurements: tuple[Measurement, ...]
    most_moves_a_year: float
    present: Forecast
    recommended: Forecast | None
    """None where even the longest lease would move more often than that."""
    longest: Forecast | None
    """The longest lease that there is, where nothing can be recommended and it can be kept at all."""


class Adviser:
    """Forecasts for one cluster, from measurements of one or several of its nodes. ValueError where no majority answered."""

    def __init__(self, measurements: Sequence[Measurement], configuration: Configuration, gate_holds_ms: GateHolds) -> None:
        for one in measurements:
            if not one.waits.count:
                raise ValueError(
                    f"in the measurement of {one.node} no majority of the voters ever answered, so nothing can be said of "
                    "leases; `picluster status` says who is silent"
                )
        self._measurements = tuple(measurements)
        self._tails = [Tail.of(one.waits, one.seconds) for one in measurements]
        self._configuration = configuration
        self._gate_holds_ms = gate_holds_ms

    def advise(self, most_moves_a_year: float) -> Advice:
        """The shortest lease that moves no more often than that without need."""
        present = self._configuration.timing
        possible = [timing for timing in self._candidates() if self._can_be_kept(timing)]
        calm = (forecast for timing in possible if (forecast := self.forecast(timing)).moves_a_year <= most_moves_a_year)
        recommended = next(calm, None)
        longest = self.forecast(possible[-1]) if possible and recommended is None else None
        return Advice(self._measurements, most_moves_a_year, self.forecast(present), recommended, longest)

    def forecast(self, timing: Timing) -> Forecast:
        configuration = self._configuration
        costs = [
            timing.datagrams_per_second(
                len(configuration.voters), len(set(one.candidate_names).difference(configuration.voters))
            )
            for one in configuration.addresses
        ]
        pairs = zip(self._measurements, self._tails, strict=True)
        return Forecast(
            timing,
            timing.expected_outage_ms(self._waits_ms(50)),
            timing.longest_outage_ms(self._waits_ms(99)),
            max(costs, default=0.0),
            max((self._reckon(timing, one, tail) for one, tail in pairs), key=lambda found: found.moves_a_year),
        )

    def _candidates(self) -> Iterator[Timing]:
        """From the shortest lease to the longest; the timers that are no matter of the lease stay as they are."""
        patience_ms = math.ceil(ROUND_TRIPS * self._waits_ms(90))
        for lease_ms in _leases_ms():
            yield replace(
                self._configuration.timing,
                lease_ms=lease_ms,
                renewal_ms=Timing(lease_ms).longest_renewal_ms,
                retry_ms=max(SHORTEST_RETRY_MS, patience_ms),
                rank_step_ms=max(SHORTEST_RETRY_MS, patience_ms + 1),
            )

    def _can_be_kept(self, timing: Timing) -> bool:
        """By the inventory's bounds, and with enough rounds within what the kernel's lease leaves."""
        if timing.retry_ms > timing.renewal_ms or timing.rank_step_ms > timing.lease_ms // STEPS_PER_LEASE:
            return False
        return all(self._rounds(timing, one) >= FEWEST_ROUNDS for one in self._measurements)

    def _reckon(self, timing: Timing, measured: Measurement, tail: Tail) -> Reckoning:
        left_ms, rounds = self._left_ms(timing, measured), self._rounds(timing, measured)
        again = measured.again_share ** min(1.0, timing.retry_ms * 1_000 / measured.gap_us)
        crowding = max(1.0, measured.spacing_s * 1_000 / timing.renewal_ms)
        lost_per_s = measured.lost_share * again ** max(0, rounds - 1) / (timing.renewal_ms / 1_000)
        return Reckoning(
            measured.node,
            left_ms,
            _answer_ms(measured),
            rounds,
            measured.lost_share,
            again,
            lost_per_s * SECONDS_PER_YEAR,
            tail.rate(left_ms * 1_000) * crowding * SECONDS_PER_YEAR,
            tail.ruling(left_ms * 1_000),
            crowding,
            measured.waits.longer_than(left_ms * 1_000),
        )

    def _left_ms(self, timing: Timing, measured: Measurement) -> float:
        kernel_ms = self._gate_holds_ms(timing, measured.tick_ns) if measured.tick_ns else timing.lease_ms
        return max(0, min(timing.lease_ms, kernel_ms) - timing.renewal_ms)

    def _rounds(self, timing: Timing, measured: Measurement) -> int:
        return max(0, int((self._left_ms(timing, measured) - _answer_ms(measured)) / timing.retry_ms))

    def _waits_ms(self, percent: float) -> float:
        """How long a majority's answer takes, on the slowest node."""
        return max(one.waits.percentile_us(percent) for one in self._measurements) / 1_000


def _answer_ms(measured: Measurement) -> float:
    return measured.waits.percentile_us(99) / 1_000


def _leases_ms() -> Iterator[int]:
    lease_ms, longest_ms = BOUNDS_MS["lease_ms"]
    for until_ms, step_ms in STEPS_MS:
        yield from range(lease_ms, min(until_ms, longest_ms), step_ms)
        lease_ms = until_ms
    yield longest_ms


def never_seen_a_year(measurement: Measurement) -> float:
    """What the measurement alone rules out, with 95 % confidence, where something was never seen in it: more than three for
    the time that it took (the rule of three: e⁻³ is 5 %)."""
    return 3 / measurement.seconds * SECONDS_PER_YEAR
