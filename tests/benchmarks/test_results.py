"""Results come back from JSON as they were, and their figures are summed up as they are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.figures import Summary
from benchmarks.results import load
from picluster.errors import LabError
from tests.benchmarks.made_up import Found, made_up

CUTS: Found = {
    ("picluster-wired", "cut"): {"outage_ms": (100.0, 130.0, 125.0), "double_ms": (0.0, 0.0, 0.0)},
    ("keepalived-0.1s", "cut"): {"outage_ms": (250.0, 260.0, 200.0), "double_ms": (0.0, 3.0, 4.0)},
}


def test_json_keeps_everything(tmp_path: Path) -> None:
    results = made_up(CUTS, {("ucarp", "cut"): "nobody answers"})
    results = replace(results, missing=("ucarp: not installed",))
    file = tmp_path / "results.json"
    file.write_text(results.as_json(), encoding="utf-8")
    assert load(file) == results


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"machine": "", "taken": "", "versions": [], "missing": [], "findings": [{}]}']
)
def test_what_is_no_result_is_refused_with_the_files_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(LabError, match=r"wrong\.json"):
        load(file)


def test_a_figure_that_is_no_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    whole = json.loads(made_up(CUTS).as_json())
    whole["findings"][0]["figures"]["outage_ms"] = 3.0
    file.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(LabError):
        load(file)


def test_samples_become_their_median_their_worst_and_their_total() -> None:
    results = made_up(CUTS)
    assert results.value("picluster-wired", "cut", "outage_ms", Summary.MEDIAN) == 125.0
    assert results.value("picluster-wired", "cut", "outage_ms", Summary.WORST) == 130.0
    assert results.value("keepalived-0.1s", "cut", "double_ms", Summary.TOTAL) == 7.0


def test_a_ratio_needs_both_and_a_peer_above_zero() -> None:
    results = made_up(CUTS)
    both = ("picluster-wired", "keepalived-0.1s", "cut")
    assert results.ratio(*both, "outage_ms", Summary.MEDIAN) == 0.5
    assert results.ratio("keepalived-0.1s", "picluster-wired", "cut", "double_ms", Summary.WORST) is None
    assert results.ratio("picluster-wired", "ucarp", "cut", "outage_ms", Summary.MEDIAN) is None
    assert results.ratio("picluster-wired", "", "cut", "outage_ms", Summary.MEDIAN) is None


def test_what_was_not_measured_has_no_value() -> None:
    assert made_up({}).value("ucarp", "cut", "outage_ms", Summary.WORST) is None
    assert made_up({}).finding("ucarp", "cut") is None
    failed = made_up({}, {("ucarp", "cut"): "nobody answers"})
    assert failed.value("ucarp", "cut", "outage_ms", Summary.WORST) is None
