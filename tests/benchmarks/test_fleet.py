"""Fleets in virtual time: what they count is the same in every run, and does not grow with the number of nodes."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks.fleet.curve import picture, table
from benchmarks.fleet.survey import Cost, Survey, survey
from benchmarks.fleet.world import Fleet, Kind

FIGURES = ("wakes", "heard", "heard_bytes", "sent", "sent_bytes")
SVG = "{http://www.w3.org/2000/svg}"


def quiet(_words: str) -> None: ...


def counted(found: Survey) -> list[Cost]:
    """Without processor time, which is never the same twice."""
    return [replace(cost, cpu_us=0.0, longest_us=0.0) for cost in found.costs]


@pytest.fixture(scope="module")
def small() -> Survey:
    return survey("a machine", quiet, nodes=(3, 12), voters=(3,))


def test_a_fleet_settles_and_its_addresses_are_where_they_are_wanted() -> None:
    fleet = Fleet(12, 5)
    assert fleet.settle() < 10.0
    kinds = {name: fleet.kind(name) for name in fleet.boards}
    assert [name for name, kind in kinds.items() if kind is Kind.HOLDER] == ["pi1", "pi2"]
    assert [name for name, kind in kinds.items() if kind is Kind.VOTER] == ["pi3", "pi4", "pi5"]
    assert [name for name, kind in kinds.items() if kind is Kind.CANDIDATE] == ["pi11", "pi12"]


def test_what_is_counted_is_the_same_in_every_run(small: Survey) -> None:
    assert counted(survey("a machine", quiet, nodes=(3, 12), voters=(3,))) == counted(small)


def test_every_kind_of_node_wakes_up_hears_and_works(small: Survey) -> None:
    assert {(cost.nodes, cost.kind) for cost in small.costs} == {
        *((3, kind) for kind in ("holder", "voter")),
        *((12, kind) for kind in ("holder", "voter", "candidate", "member")),
    }
    for cost in small.costs:
        assert min(cost.wakes, cost.heard, cost.heard_bytes, cost.sent, cost.sent_bytes, cost.cpu_us, cost.longest_us) > 0


def test_a_holder_renews_as_often_as_the_timing_says(small: Survey) -> None:
    """Every 70 ms it asks one voter of the other two, and hears an answer; half as often it is asked by the other holder.
    Two heartbeats come with every fourth renewal."""
    holder = small.curve(3, Kind.HOLDER)[0]
    renewals = 1_000 / 70
    expected = renewals * (1 + 1 / 2 + 2 / 4)
    assert expected - 2 <= holder.sent <= expected + 2
    assert expected - 2 <= holder.heard <= expected + 2


@pytest.mark.scenario
def test_no_figure_grows_with_the_number_of_nodes() -> None:
    large = survey("a machine", quiet, nodes=(20, 60), voters=(7,), rounds=2)
    for kind in Kind:
        few, many = large.curve(7, kind)
        assert (few.nodes, many.nodes) == (20, 60)
        for figure in FIGURES:
            assert getattr(many, figure) <= 1.1 * getattr(few, figure), (kind, figure)


def test_the_table_and_the_picture_follow_from_the_figures(small: Survey) -> None:
    text = table(small)
    assert "3 voters" in text
    assert f"{small.curve(3, Kind.MEMBER)[0].heard:.1f} (1.00)" in text
    drawn = ElementTree.fromstring(picture(small))  # noqa: S314  it is ours
    assert len(list(drawn.iter(f"{SVG}polyline"))) == 4 * len(Kind)
    assert json.loads(small.as_json())["costs"][0]["kind"] == "holder"
