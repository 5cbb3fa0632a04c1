"""What is measured is counted in buckets, and never told as shorter than it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.agent.plain import plain, rebuilt
from picluster.tuning.measurement import Distribution, Histogram, Measurement, Path, bucket_us

DURATIONS_US = st.integers(0, 10**9)


def distribution(durations_us: list[int]) -> Distribution:
    histogram = Histogram()
    for duration_us in durations_us:
        histogram.add(duration_us * 1_000)
    return histogram.distribution()


@given(DURATIONS_US)
def test_a_bucket_ends_at_most_a_thirtieth_above_what_it_holds(duration_us: int) -> None:
    assert duration_us <= bucket_us(duration_us) <= duration_us + duration_us / 30


def test_there_are_few_buckets_however_much_is_counted() -> None:
    assert len({bucket_us(duration_us) for duration_us in range(0, 5_000_000, 7)}) < 700


@given(st.lists(DURATIONS_US, min_size=1, max_size=60), st.floats(0, 100))
def test_percentiles_are_never_too_low(durations_us: list[int], percent: float) -> None:
    seen = distribution(durations_us)
    reached = seen.percentile_us(percent)
    assert sum(one <= reached for one in durations_us) >= len(durations_us) * percent / 100 - 1e-9
    assert reached <= seen.longest_us == max(durations_us)


@given(st.lists(DURATIONS_US, min_size=1, max_size=60))
def test_excesses_are_those_of_the_buckets(durations_us: list[int]) -> None:
    seen = distribution(durations_us)
    counted = [bucket_us(one) for one in durations_us]
    for over_us, count, mean_us in seen.excesses():
        above = [one - over_us for one in counted if one > over_us]
        assert count == len(above)
        assert mean_us == pytest.approx(sum(above) / len(above))
        assert seen.longer_than(over_us) == count


def test_it_survives_json() -> None:
    seen = distribution([1, 2, 3, 500, 90_000])
    path = Path("pi2", 10, 9, seen, ((1, 1),))
    measurement = Measurement("pi1", "home", 60.0, 10, 1, 1, 0, 10_000, seen, seen, (path,), 4_000_000)
    assert rebuilt(Measurement, plain(measurement)) == measurement
    assert path.lost_percent == 10


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"seconds": -1.0}, {"gap_us": 0}])
def test_what_cannot_have_been_measured_is_refused(wrong: dict[str, float]) -> None:
    nothing = Distribution()
    good = Measurement("pi1", "home", 60.0, 10, 1, 1, 0, 10_000, nothing, nothing, ())
    words = plain(good)
    assert isinstance(words, dict)
    with pytest.raises(ValueError, match="is none"):
        rebuilt(Measurement, {**words, **wrong})
