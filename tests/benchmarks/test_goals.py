"""A goal is met, is not met, or was not measured."""

from __future__ import annotations

from benchmarks.goals import GOALS, Goal, verdict
from tests.benchmarks.made_up import Found, made_up


def goal(system: str, scenario: str, figure: str, *, of_peer: bool = False) -> Goal:
    return next(
        one
        for one in GOALS
        if (one.system.key, one.scenario, one.column.figure, one.of_peer) == (system, scenario, figure, of_peer)
    )


def cuts(mine_ms: float, peers_ms: float) -> Found:
    return {
        ("picluster-wired", "cut"): {"outage_ms": (mine_ms,), "double_ms": (0.0,)},
        ("keepalived-0.1s", "cut"): {"outage_ms": (peers_ms,), "double_ms": (0.0,)},
    }


def test_a_ratio_is_judged_against_the_peer_of_the_same_run() -> None:
    median = goal("picluster-wired", "cut", "outage_ms", of_peer=True)
    assert verdict(median, made_up(cuts(65.0, 100.0))).met
    missed = verdict(median, made_up(cuts(66.0, 100.0)))
    assert not missed.met
    assert (missed.reached, missed.goal.wanted) == ("0.66", "≤ 0.65 of keepalived, advert 0.1 s")


def test_a_single_millisecond_in_which_two_answer_is_too_much() -> None:
    never = goal("picluster-wired", "cut", "double_ms")
    assert verdict(never, made_up(cuts(1.0, 1.0))).met
    twice = made_up({("picluster-wired", "cut"): {"outage_ms": (1.0, 1.0), "double_ms": (0.0, 1.0)}})
    assert not verdict(never, twice).met


def test_what_was_not_measured_is_not_met_and_says_so() -> None:
    found = verdict(goal("picluster-wired", "cost", "memory_mb"), made_up({}))
    assert not found.met
    assert found.reached == "not measured"


def test_nobody_of_ours_may_answer_twice_in_any_scenario_that_counts_it() -> None:
    watched = {(one.system.key, one.scenario) for one in GOALS if one.column.figure == "double_ms" and one.most == 0.0}
    scenarios = ("cut", "stop", "standby", "partition", "freeze", "loss", "load", "flapping")
    assert watched == {
        *((preset, scenario) for preset in ("picluster-wired", "picluster-sprint") for scenario in scenarios),
        ("picluster-wired-10", "cut"),
    }


def test_peers_have_no_goals() -> None:
    assert all(one.system.is_ours for one in GOALS)
