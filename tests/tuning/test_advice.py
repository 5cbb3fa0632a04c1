"""From measurements to leases: the worse the network, the longer the lease."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.adapters.coverage import gate_holds_ms
from picluster.inventory import load
from picluster.model.timing import PRESETS, Timing
from picluster.tuning.advice import FEWEST_ROUNDS, SECONDS_PER_YEAR, Advice, Adviser, never_seen_a_year
from picluster.tuning.measurement import Measurement, Path
from picluster.tuning.telling import TUNED, a_year, changes, told
from tests.tuning.test_measurement import distribution

ROUNDS = 1_500
TEXT = """
[cluster]
name = "home"
[failover]
{timers}
[addresses.web]
address = "10.77.0.100"
[nodes.pi1]
[nodes.pi2]
[nodes.pi3]
"""


def measured(
    *, node: str = "pi1", slowness: float = 1.0, lost: int = 0, lost_again: int = 0, stall_us: int = 0, tick_ns: int = 0
) -> Measurement:
    """A minute on a quiet network, made worse in one way or another."""
    chance = Random(5)
    durations = [round(slowness * (400 + chance.expovariate(1 / 150))) for _ in range(ROUNDS - lost)]
    waits = distribution([*durations, stall_us] if stall_us else durations)
    path = Path("pi2", ROUNDS, ROUNDS - lost, waits, ((1, lost),) if lost else ())
    return Measurement(
        node, "home", 60.0, ROUNDS, lost, lost // 2, lost_again, 10_000, distribution([50] * ROUNDS), waits, (path,), tick_ns
    )


def advise(*measurements: Measurement, most: float = 1.0, timers: str = "") -> Advice:
    configuration = load(TEXT.format(timers=timers), "home.toml").configuration
    return Adviser(measurements, configuration, gate_holds_ms).advise(most)


def lease_ms(*measurements: Measurement, most: float = 1.0) -> int:
    recommended = advise(*measurements, most=most).recommended
    assert recommended is not None
    return recommended.timing.lease_ms


def test_where_nothing_is_lost_or_late_the_floor_is_recommended() -> None:
    found = advise(measured()).recommended
    assert found is not None
    assert found.timing == replace(PRESETS["wired"], lease_ms=22, renewal_ms=8, retry_ms=3, rank_step_ms=3)
    assert found.reckoning.rounds >= FEWEST_ROUNDS
    assert found.moves_a_year < 1


def test_the_floor_respects_the_kernels_tick() -> None:
    """With a tick of 4 ms the kernel's lease ends up to three of them early, and 20 ms would not outlive a lost renewal."""
    lengths = [lease_ms(measured(tick_ns=tick * 1_000_000)) for tick in (0, 1, 4, 10)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[2] < lengths[3]
    found = advise(measured(tick_ns=4_000_000)).recommended
    assert found is not None
    assert gate_holds_ms(found.timing, 4_000_000) >= found.timing.renewal_ms + found.timing.retry_ms


@pytest.mark.parametrize(
    "worse",
    [
        [measured(lost=lost, lost_again=round(lost / 2 * lost / ROUNDS)) for lost in (0, 60, 150, 300, 600)],
        [measured(lost=100, lost_again=again) for again in (0, 5, 15, 30, 45)],
        [measured(stall_us=stall_us) for stall_us in (0, 10_000, 50_000, 200_000, 400_000)],
        [measured(slowness=slowness) for slowness in (1, 3, 10, 30)],
    ],
    ids=["losses", "losses in a row", "a stall", "slower answers"],
)
def test_the_worse_it_is_the_longer_the_lease(worse: list[Measurement]) -> None:
    lengths = [lease_ms(one) for one in worse]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 400), st.integers(0, 300_000), st.sampled_from((0, 1_000_000, 4_000_000)))
def test_whatever_is_recommended_may_stand_in_an_inventory(lost: int, stall_us: int, tick_ns: int) -> None:
    found = advise(measured(lost=lost, lost_again=lost // 8, stall_us=stall_us, tick_ns=tick_ns))
    assert found.recommended is not None
    timers = "\n".join(f"{name} = {value}" for name, value in changes(found).items())
    assert load(TEXT.format(timers=timers), "home.toml").configuration.timing == found.recommended.timing
    assert found.recommended.moves_a_year <= 1


def test_a_few_losses_do_not_pass_for_independent_ones() -> None:
    """Whether the next question is lost as well is hardly known then, so a little more loss may do with less of a lease."""
    few, some = (measured(lost=lost, lost_again=0) for lost in (4, 40))
    assert few.again_share > some.again_share > some.lost_share
    assert lease_ms(few) > lease_ms(measured())


def test_who_puts_up_with_more_moves_gets_a_shorter_lease() -> None:
    bad = measured(lost=200, lost_again=30, stall_us=30_000)
    lengths = [lease_ms(bad, most=most) for most in (0.01, 1, 100, 10_000)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]


def test_of_several_nodes_the_worst_counts() -> None:
    calm, stalled, lossy = measured(), measured(node="pi2", stall_us=60_000), measured(node="pi3", lost=150, lost_again=10)
    alone = [lease_ms(one) for one in (calm, stalled, lossy)]
    together = advise(calm, stalled, lossy)
    assert together.recommended is not None
    assert together.recommended.timing.lease_ms >= max(alone)
    assert together.recommended.reckoning.node in ("pi2", "pi3")


def test_the_formula_of_losses_is_the_one_that_is_told() -> None:
    timing = Timing(lease_ms=60, renewal_ms=20, retry_ms=10, rank_step_ms=4)
    timers = "\n".join(f"{name} = {getattr(timing, name)}" for name in TUNED)
    present = advise(measured(lost=150, lost_again=10), timers=timers).present
    found = present.reckoning
    assert (found.left_ms, found.rounds) == (40, 3)
    assert (found.lost_share, found.again_share) == (0.1, (10 + 1) / (75 + 2))
    assert found.lost_a_year == pytest.approx(0.1 * found.again_share**2 / 0.020 * SECONDS_PER_YEAR)
    assert present.expected_outage_ms == pytest.approx(60 * 1.01 - 10 + 2 * 0.5, abs=0.2)


def test_a_simulated_holder_loses_its_lease_as_often_as_was_reckoned() -> None:
    """Independent losses of rounds, played for a million renewals."""
    chance, share = Random(3), 0.3
    lost = round(share * ROUNDS)
    timing = Timing(lease_ms=60, renewal_ms=20, retry_ms=10, rank_step_ms=4)
    timers = "\n".join(f"{name} = {getattr(timing, name)}" for name in TUNED)
    found = advise(measured(lost=lost, lost_again=round(share * lost / 2)), timers=timers).present.reckoning
    renewals = 200_000
    played = sum(all(chance.random() < share for _ in range(found.rounds)) for _ in range(renewals))
    a_second = played / (renewals * timing.renewal_ms / 1_000)
    assert found.lost_a_year / SECONDS_PER_YEAR == pytest.approx(a_second, rel=0.15)


def test_what_no_lease_can_mend_is_said() -> None:
    hopeless = measured(lost=1_400, lost_again=690)
    found = advise(hopeless)
    assert found.recommended is None
    assert found.longest is not None
    assert changes(found) == {}
    assert "No lease that there is keeps within 1 unwanted move a year" in told(found)
    slow = advise(measured(slowness=2_000))
    assert (slow.recommended, slow.longest) == (None, None)
    assert "leaves room for four retries" in told(slow)
    with pytest.raises(ValueError, match="no majority of the voters ever answered"):
        advise(replace(measured(), waits=distribution([]), failed=ROUNDS))


def test_the_report_has_the_formula_with_its_values() -> None:
    report = told(advise(measured(lost=30, tick_ns=4_000_000)))
    lines = report.splitlines()
    assert lines[0] == "pi1: 1,500 rounds in 60 s, 30 of them lost (milliseconds below)"
    assert any(
        line.split() == ["failover.lease_ms", "175", str(lease_ms(measured(lost=30, tick_ns=4_000_000)))] for line in lines
    )
    assert "lost   = f × c^(rounds − 1) / renewal" in report
    assert f"0.02 × {(1 / 17) ** 0.3:.3g}^20 / 54 ms" in report, "c is brought up for a retry of 3 ms in place of 10"
    assert "fewer than 1,577,880 a year (95 %, rule of three)" in report
    assert never_seen_a_year(measured()) == 3 / 60 * SECONDS_PER_YEAR


def test_a_voter_that_hardly_answers_is_named() -> None:
    good = measured()
    silent = Path("pi3", ROUNDS, 0, distribution([]), ((ROUNDS, 1),))
    assert "pi3 hardly answers" in told(advise(replace(good, paths=(*good.paths, silent))))
    assert "hardly answers" not in told(advise(good))


def test_small_figures_are_not_made_up() -> None:
    assert [a_year(times) for times in (1e-30, 0.5, 9.99, 1234.5)] == ["< 0.001", "0.5", "10", "1,234"]


def test_longer_leases_move_less() -> None:
    configuration = load(TEXT.format(timers=""), "home.toml").configuration
    adviser = Adviser([measured(lost=100, lost_again=20, stall_us=40_000)], configuration, gate_holds_ms)
    leases = [
        Timing(lease_ms=length, renewal_ms=length * 2 // 5, retry_ms=5, rank_step_ms=4) for length in range(30, 600, 15)
    ]
    forecasts = [adviser.forecast(timing) for timing in leases]
    assert all(longer.moves_a_year <= shorter.moves_a_year for shorter, longer in pairwise(forecasts))
