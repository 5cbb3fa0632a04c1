"""One power cut of picluster and of keepalived, for real; and what fails takes nothing else with it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from benchmarks.effort import QUICK, Effort
from benchmarks.figures import Figures
from benchmarks.plan import Part
from benchmarks.runner import run
from benchmarks.scenarios import Scenario, scenario
from benchmarks.stage import Stage
from benchmarks.systems import system
from picluster.errors import LabError
from tests.adapters.isolation import reason_to_skip
from tests.lab.stand_ins import filters_refused

ONCE = replace(QUICK, cuts=1)

pytestmark = pytest.mark.skipif(
    bool(reason_to_skip() or filters_refused()), reason=reason_to_skip() or filters_refused() or "-"
)


def fails(_stage: Stage, _effort: Effort) -> Figures:
    raise LabError("it is meant to fail")


def test_a_power_cut_of_picluster_is_measured_though_the_scenario_before_it_failed() -> None:
    said: list[str] = []
    broken = Scenario("broken", "a scenario that fails", (), fails)
    broken_one, cut = run([Part(system("picluster-wired"), (broken, scenario("cut")), ONCE)], said.append)
    assert (broken_one.scenario, broken_one.failure, broken_one.figures) == ("broken", "it is meant to fail", {})
    assert (cut.system, cut.scenario, cut.failure) == ("picluster-wired", "cut", "")
    assert len(cut.figures["outage_ms"]) == 1
    assert cut.figures["outage_ms"][0] > 0
    assert sum(cut.figures["double_ms"]) == 0


@pytest.mark.skipif(shutil.which("keepalived") is None, reason="keepalived is not installed: apt-get install keepalived")
def test_keepalived_takes_over_again_and_again() -> None:
    """A Pi that has booted again has to run keepalived again: the third cut shows that both others do."""
    quick = replace(system("keepalived-0.1s"), calm_s=0.8)
    (cut,) = run([Part(quick, (scenario("cut"),), replace(QUICK, cuts=3))], lambda _: None)
    assert cut.failure == ""
    assert all(0 < outage_ms < 10_000 for outage_ms in cut.figures["outage_ms"])
