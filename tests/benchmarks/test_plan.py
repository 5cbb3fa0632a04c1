"""What is played under what: everything, a hurried choice, or what was named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.plan import plan
from benchmarks.scenarios import SCENARIOS
from benchmarks.systems import SYSTEMS, system
from picluster.errors import LabError


def played(*only: str, quick: bool = False) -> set[tuple[str, str]]:
    return {(part.system.key, one.key) for part in plan(only, quick=quick) for one in part.scenarios}


def test_without_a_choice_everything_is_played_but_what_a_system_leaves_out() -> None:
    expected = {(one.key, each.key) for one in SYSTEMS for each in SCENARIOS if each.key not in one.without}
    assert played() == expected


def test_a_system_a_scenario_both_and_patterns_can_be_named() -> None:
    assert played("ucarp/cut") == {("ucarp", "cut")}
    assert {system for system, _ in played("pacemaker*")} == {"pacemaker", "pacemaker-300ms"}
    assert {scenario for _, scenario in played("cost")} == {"cost"}
    assert played("picluster-*/cut", "ucarp/freeze") == {
        ("picluster-wired", "cut"),
        ("picluster-sprint", "cut"),
        ("picluster-wired-10", "cut"),
        ("ucarp", "freeze"),
    }


def test_a_pattern_that_fits_nothing_is_refused_and_told_what_there_is() -> None:
    for pattern in ("pacemakr", "picluster-wired-10/stop"):
        with pytest.raises(LabError, match=r"picluster-wired .*partition"):
            plan([pattern], quick=False)


def test_in_a_hurry_the_peers_that_are_compared_with_stay_and_everything_is_shorter() -> None:
    names = {name for name, _ in played(quick=True)}
    assert names == {"picluster-wired", "keepalived-0.1s", "picluster-sprint", "keepalived-0.01s"}
    whole, hurried = ({part.system.key: part.effort for part in plan([], quick=quick)} for quick in (False, True))
    assert all(hurried[name].cuts < whole[name].cuts for name in names)


def test_the_load_lasts_as_long_as_asked_and_all_else_as_usual() -> None:
    usual, asked = (plan(["picluster-wired/load"], quick=True, load_s=load_s)[0].effort for load_s in (None, 600.0))
    assert asked == replace(usual, load_s=600.0) != usual


def test_slow_systems_are_cut_less_often() -> None:
    efforts = {part.system.key: part.effort for part in plan([], quick=False)}
    assert efforts["pacemaker"].cuts < efforts["picluster-wired"].cuts


def test_every_system_is_compared_with_one_of_the_same_size_that_there_is() -> None:
    for one in SYSTEMS:
        if one.against:
            assert system(one.against).nodes == one.nodes
    assert len({one.key for one in SYSTEMS}) == len(SYSTEMS)
