"""Whole worlds, from their seeds: nothing goes wrong in them, and a seed always tells the same story."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.cli.main import main
from picluster.lab import simulation
from picluster.simulated.clock import BILLION, HALF_MARGIN, DriftingClock
from picluster.simulated.plan import KINDS
from picluster.simulated.world import World

KEPT = Path(__file__).with_name("seeds.txt")


def told(seed: int) -> list[str]:
    lines: list[str] = []
    simulation.transcript(seed, lines.append)
    return lines


def kept_worlds() -> list[tuple[int, tuple[str, ...] | None]]:
    worlds: list[tuple[int, tuple[str, ...] | None]] = []
    for line in KEPT.read_text(encoding="utf-8").splitlines():
        seed, _, kinds = line.partition("#")[0].strip().partition(" ")
        if seed:
            worlds.append((int(seed), tuple(kind.strip() for kind in kinds.split(",")) if kinds else None))
    return worlds


@pytest.mark.parametrize("first", range(0, 20, 10))
def test_nothing_goes_wrong(first: int) -> None:
    report = simulation.Report()
    for outcome in simulation.outcomes(first, 10, jobs=1):
        report.add(outcome)
    assert not report.failed, simulation.table(report)
    assert report.moves.total() > 50
    assert report.faults.total() > 100


@pytest.mark.parametrize(("seed", "only"), kept_worlds())
def test_what_once_went_wrong_does_not_any_more(seed: int, only: tuple[str, ...] | None) -> None:
    assert not World(seed, only=only).run().violations, simulation.replay_command(seed)


def test_every_kind_of_fault_happens() -> None:
    report = simulation.Report()
    for kind in KINDS:
        report.add(World(4, only={kind}).run())
    assert set(report.faults) == set(KINDS)
    assert not report.failed


def test_a_seed_tells_the_same_story_every_time() -> None:
    assert told(7) == told(7)
    assert told(7) != told(8)


def test_a_seed_tells_the_same_story_in_every_process() -> None:
    command = [sys.executable, "-m", "picluster.cli.main", "simulate", "--seed", "3", "--transcript"]
    stories = [
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": salt}).stdout
        for salt in ("1", "2")
    ]
    assert stories[0] == stories[1]
    assert stories[0].count(b"\n") > 1_000


def test_several_processes_see_the_same_worlds_as_one() -> None:
    assert list(simulation.outcomes(0, 10, jobs=2)) == list(simulation.outcomes(0, 10, jobs=1))


def test_no_two_clocks_differ_by_more_than_the_margin() -> None:
    slow, fast = DriftingClock(0, BILLION - HALF_MARGIN), DriftingClock(0, BILLION + HALF_MARGIN)
    lease_ns = 30_000_000
    assert slow.true_ns(lease_ns) <= fast.true_ns(lease_ns + lease_ns // 100)


@pytest.mark.parametrize("rate", [BILLION - HALF_MARGIN, BILLION, BILLION + HALF_MARGIN, BILLION + 12_345])
def test_a_clock_shows_a_time_at_the_first_instant_that_it_names(rate: int) -> None:
    clock = DriftingClock(-987_654_321, rate)
    for local_ns in (0, 1, 999, 10**9 + 7, 10**12 + 1):
        at_ns = clock.true_ns(local_ns)
        assert clock.local_ns(at_ns) >= local_ns > clock.local_ns(at_ns - 1)


def test_the_command_prints_a_table_and_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "4", "--first", "10", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("4 worlds, 0.0")
    assert "violations: none" in out


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "5", "--json"]) == 0
    assert '"violations": []' in capsys.readouterr().out
