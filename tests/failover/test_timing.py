"""The formulas of `picluster.model.timing`, held against the simulation."""

from __future__ import annotations

import statistics
from random import Random

from picluster.model.timing import DRIFT_RATIO, PRESETS, Timing, grant_length_ns
from picluster.simulated.world import World

MS = 1_000_000


def outage_share(seed: int) -> float:
    """How long the address of a holder whose power was cut was dark, as a share of the expected outage."""
    world = World(seed, only=())
    world.start()
    timeline, oracle, lease_ns = world.shared.timeline, world.shared.oracle, world.plan.configuration.timing.lease_ns
    timeline.run_until(5 * lease_ns + int(Random(seed).random() * lease_ns), stop=lambda: False)
    address = world.plan.configuration.addresses[0].name
    holder, cut_ns = oracle.holder(timeline.now_ns, address), timeline.now_ns
    world.machines[holder].cut_power()
    timeline.run_until(cut_ns + 3 * lease_ns, stop=lambda: bool(oracle.holder(timeline.now_ns, address)))
    assert oracle.holder(timeline.now_ns, address) not in ("", holder)
    weather = world.plan.weather
    round_trip_ms = (2 * weather.shortest_ns + weather.spread_ns) / MS
    return (timeline.now_ns - cut_ns) / MS / world.plan.configuration.timing.expected_outage_ms(round_trip_ms)


def test_the_mean_outage_of_a_power_cut_is_the_expected_one() -> None:
    shares = [outage_share(seed) for seed in range(60)]
    assert 0.9 < statistics.mean(shares) < 1.1
    # The holder dies up to half a renewal period before or after the mean moment, and a rank or two may have to pass.
    assert min(shares) > 0.7
    assert max(shares) < 1.4


def test_a_grant_outlasts_the_lease_by_the_margin_rounded_up() -> None:
    assert grant_length_ns(100) == 101
    assert grant_length_ns(101) == 103
    assert grant_length_ns(150 * MS) == 150 * MS + round(150 * MS * DRIFT_RATIO)


def test_outages_are_as_the_formulas_say() -> None:
    timing = Timing(lease_ms=100, renewal_ms=20)
    assert timing.expected_outage_ms(1.0) == 101 - 10 + 2
    assert timing.longest_outage_ms(1.0) == 101 + 2


def test_every_preset_leaves_room_for_many_retries() -> None:
    for timing in PRESETS.values():
        assert (timing.lease_ms - timing.renewal_ms) / timing.retry_ms >= 7
        assert timing.retry_ms <= timing.renewal_ms
