"""The table says what the results say: figures, ratios, failures, goals."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.table import table
from tests.benchmarks.made_up import Found, made_up

CUTS: Found = {
    ("picluster-wired", "cut"): {"outage_ms": (120.0, 130.0, 125.0), "double_ms": (0.0, 0.0, 0.0)},
    ("keepalived-0.1s", "cut"): {"outage_ms": (250.0, 2_600.0, 200.0), "double_ms": (0.0, 3.0, 4.0)},
}


def row(text: str, begin: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(begin))


def words(line: str) -> str:
    return " ".join(line.split())


def test_a_row_holds_the_figures_the_ratios_and_whether_the_goals_are_met() -> None:
    text = table(made_up(CUTS))
    assert words(row(text, "picluster, wired")) == "picluster, wired (default) 125 (0.50) 130 (0.05) 0 met"
    assert words(row(text, "keepalived, advert 0.1")) == "keepalived, advert 0.1 s 250 2,600 7"
    assert "compared with keepalived, advert 0.1 s: picluster, wired (default)" in text


def test_it_begins_with_the_machine_the_day_and_the_versions() -> None:
    assert table(made_up(CUTS)).splitlines()[:2] == ["a machine, 2 cores, 2000-01-01", "keepalived 2"]


def test_cells_end_below_the_end_of_their_headings() -> None:
    text = table(made_up(CUTS))
    heading = row(text, " " * 20)
    for cells, words in (("(0.50)", "median ms"), ("(0.05)", "worst ms")):
        line = row(text, "picluster, wired")
        assert line.index(cells) + len(cells) == heading.index(words) + len(words)


def test_a_goal_that_is_missed_is_told_in_its_row_and_at_the_end() -> None:
    slow: Found = {**CUTS, ("picluster-wired", "cut"): {"outage_ms": (200.0,), "double_ms": (1.0,)}}
    text = table(made_up(slow))
    assert row(text, "picluster, wired").endswith("not met: median, two at once")
    assert "median: 0.80, wanted ≤ 0.65 of keepalived, advert 0.1 s" in text
    assert "two at once: 1 ms, wanted ≤ 0 ms" in text
    assert "1 of 3 goals met" in text
    assert text.count("  not met: picluster, wired (default): power cut") == 2


def test_a_system_that_failed_keeps_its_row_and_says_why() -> None:
    text = table(made_up(CUTS, {("ucarp", "cut"): "nobody answers"}))
    assert row(text, "ucarp").split(maxsplit=1)[1] == "failed: nobody answers"


def test_what_was_not_played_has_no_row_and_a_scenario_without_rows_no_heading() -> None:
    text = table(made_up(CUTS))
    assert "ucarp" not in text
    assert "partition" not in text


def test_what_is_missing_is_said_at_the_end() -> None:
    text = table(replace(made_up(CUTS), missing=("ucarp: not installed",)))
    assert text.endswith("not measured: ucarp: not installed")


def test_a_ratio_to_a_peer_that_was_not_played_is_neither_met_nor_missed() -> None:
    alone: Found = {key: figures for key, figures in CUTS.items() if key[0] == "picluster-wired"}
    text = table(made_up(alone))
    assert words(row(text, "picluster, wired")) == "picluster, wired (default) 125 130 0 met"
    assert "1 of 1 goals met" in text
