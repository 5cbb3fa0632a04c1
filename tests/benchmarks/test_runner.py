"""All scenarios with picluster and power cuts of keepalived, for real; and what fails takes nothing else with it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.effort import QUICK, Effort
from benchmarks.figures import Figures
from benchmarks.plan import Part
from benchmarks.runner import Manner, run
from benchmarks.scenarios import SCENARIOS, Scenario, scenario
from benchmarks.stage import Stage
from benchmarks.systems import System, system
from picluster.errors import LabError
from tests.adapters.isolation import reason_to_skip
from tests.lab.stand_ins import filters_refused

SHORT = replace(
    QUICK,
    cuts=1,
    stops=1,
    partition_s=0.5,
    healed_s=0.5,
    frozen_s=0.5,
    loss_s=0.5,
    load_s=0.5,
    flaps=1,
    rest_s=0.5,
    after_s=0.3,
)

pytestmark = pytest.mark.skipif(
    bool(reason_to_skip() or filters_refused()), reason=reason_to_skip() or filters_refused() or "-"
)


def hasty(key: str) -> System:
    return replace(system(key), calm_s=0.6)


def fails(_stage: Stage, _effort: Effort) -> Figures:
    raise LabError("it is meant to fail")


@pytest.mark.scenario
def test_every_scenario_is_played_with_picluster_though_the_first_one_fails() -> None:
    broken = Scenario("broken", "a scenario that fails", (), fails)
    first, *others = run([Part(hasty("picluster-wired"), (broken, *SCENARIOS), SHORT)], lambda _: None)
    assert (first.scenario, first.failure, first.figures) == ("broken", "it is meant to fail", {})
    assert [(one.system, one.scenario, one.failure) for one in others] == [
        ("picluster-wired", one.key, "") for one in SCENARIOS
    ]
    for one, found in zip(SCENARIOS, others, strict=True):
        assert set(found.figures) == {column.figure for column in one.columns}
        assert sum(found.figures.get("double_ms", ())) == 0
    figures = {one.scenario: one.figures for one in others}
    assert figures["cut"]["outage_ms"][0] > 0
    assert figures["cost"]["holder_percent"][0] > 0
    assert figures["cost"]["packets_per_s"][0] > 0
    assert figures["cost"]["memory_mb"][0] > 1


def policies(stage: Stage, _effort: Effort) -> Figures:
    return {"policy": [os.sched_getscheduler(pid) for pid in stage.machines.daemon("pi1")]}


def test_the_logs_are_kept_where_they_are_wanted(tmp_path: Path) -> None:
    asked = Scenario("asked", "how the daemon is scheduled", (), policies)
    (found,) = run([Part(hasty("picluster-wired"), (asked,), SHORT)], lambda _: None, Manner(logs=tmp_path))
    assert set(found.figures["policy"]) == {os.SCHED_OTHER}
    assert "pi1 started" in (tmp_path / "picluster-wired" / "pi1.log").read_text(encoding="utf-8")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give real-time priority")
def test_the_daemons_have_real_time_priority_where_it_is_wanted() -> None:
    asked = Scenario("asked", "how the daemon is scheduled", (), policies)
    (found,) = run([Part(hasty("picluster-wired"), (asked,), SHORT)], lambda _: None, Manner(real_time=True))
    assert set(found.figures["policy"]) == {os.SCHED_RR}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.scenario
@pytest.mark.skipif(shutil.which("keepalived") is None, reason="keepalived is not installed: apt-get install keepalived")
def test_keepalived_takes_over_again_and_again() -> None:
    """A Pi that has booted again has to run keepalived again: the third cut shows that both others do."""
    (cut,) = run([Part(hasty("keepalived-0.1s"), (scenario("cut"),), replace(QUICK, cuts=3))], lambda _: None)
    assert cut.failure == ""
    assert all(0 < outage_ms < 10_000 for outage_ms in cut.figures["outage_ms"])
