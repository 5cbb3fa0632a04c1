"""The tail carried on, held against draws whose true tail is known."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import pytest

from picluster.tuning.tail import Tail
from tests.tuning.test_measurement import distribution

SECONDS = 60.0
DRAWS = 1_500
"""A minute of rounds."""


def level_us(tail: Tail, times_a_second: float) -> float:
    """What is exceeded so often, by the forecast."""
    low, high = 0.0, 1e9
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail.rate(middle) > times_a_second else (low, middle)
    return high


@pytest.mark.parametrize("seed", range(20))
def test_an_exponential_tail_is_carried_on_as_it_is(seed: int) -> None:
    """From a minute to a year: the truth, or up to twice as much, since the gravest forecast counts."""
    chance, scale_us = Random(seed), 2_000.0
    tail = Tail.of(distribution([round(500 + chance.expovariate(1 / scale_us)) for _ in range(DRAWS)]), SECONDS)
    once_a_year = 1 / 31_557_600
    true_us = 500 + scale_us * math.log(DRAWS / SECONDS / once_a_year)
    assert 0.9 * true_us < level_us(tail, once_a_year) < 2 * true_us


def test_a_heavier_tail_is_told_a_little_too_short() -> None:
    """Lognormal, as many latencies are: a hundred times as rare as anything in the minute, on average of many minutes."""
    shares = []
    for seed in range(30):
        chance = Random(seed)
        tail = Tail.of(distribution([round(1_000 * chance.lognormvariate(0, 1)) for _ in range(DRAWS)]), SECONDS)
        # The quantile of 1 in 150,000 is 4.35 standard deviations up.
        shares.append(level_us(tail, DRAWS / SECONDS / 150_000) / (1_000 * math.exp(4.35)))
    assert 0.7 < sum(shares) / len(shares) < 1.0


def test_a_forecast_is_never_less_than_what_was_seen_and_falls_with_the_length() -> None:
    chance = Random(1)
    seen = distribution([round(chance.paretovariate(1.5) * 300) for _ in range(DRAWS)])
    tail = Tail.of(seen, SECONDS)
    rates = [tail.rate(x_us) for x_us in range(0, 200_000, 500)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(rates))
    for x_us in range(0, 200_000, 500):
        assert tail.rate(x_us) >= seen.longer_than(x_us) / SECONDS


def test_one_long_stall_lengthens_the_tail() -> None:
    chance = Random(2)
    calm = [round(500 + chance.expovariate(1 / 200)) for _ in range(DRAWS)]
    without, with_stall = (Tail.of(distribution(durations), SECONDS) for durations in (calm, [*calm, 80_000]))
    assert without.rate(50_000) < 1e-9
    assert with_stall.rate(200_000) > 1e-9
    assert with_stall.rate(79_000) >= 1 / SECONDS


@pytest.mark.parametrize("durations", [[700], [700] * 100, [500, 600], [900]])
def test_where_little_was_seen_everything_counts(durations: list[int]) -> None:
    tail = Tail.of(distribution(durations), SECONDS)
    [only] = tail.thresholds
    assert (only.over_us, only.count) == (0, len(durations))
    assert 0 < tail.rate(1_000) < tail.rate(0)


def test_where_nothing_was_seen_nothing_is_said() -> None:
    assert Tail.of(distribution([]), SECONDS).rate(1) == 0.0
