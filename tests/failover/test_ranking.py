"""Who goes first, and who may go at all."""

from __future__ import annotations

import ipaddress

from picluster.failover import ranking
from picluster.model.inventory import Candidate, FloatingAddress
from picluster.model.membership import PeerView

WELL = PeerView(fit=True, standby=False, holds=frozenset(), well_since_ns=0)
UNFIT = PeerView(fit=False, standby=False, holds=frozenset(), well_since_ns=0)
RESTING = PeerView(fit=True, standby=True, holds=frozenset(), well_since_ns=0)
EVERYBODY = {"pi1": WELL, "pi2": WELL, "pi3": WELL}


def floating(name: str = "web", **priorities: int) -> FloatingAddress:
    candidates = tuple(Candidate(node, priority) for node, priority in (priorities or dict.fromkeys(EVERYBODY, 100)).items())
    return FloatingAddress(name, ipaddress.ip_address("192.0.2.1"), "eth0", candidates)


def first(load: dict[str, int], *vacant: FloatingAddress, without: dict[str, str] | None = None) -> list[str]:
    ranks = ranking.order(vacant, EVERYBODY, load, without or {})
    return [ranks[one.name][0] for one in vacant]


def test_only_the_fit_and_willing_are_eligible() -> None:
    assert ranking.eligible(floating(), {"pi1": UNFIT, "pi2": RESTING, "pi3": WELL, "pi4": WELL}) == ["pi3"]


def test_priority_goes_before_load_and_load_before_name() -> None:
    assert first({}, floating()) == ["pi1"]
    assert first({"pi1": 1}, floating()) == ["pi2"]
    assert first({"pi3": 5}, floating(pi1=100, pi3=200)) == ["pi3"]


def test_vacant_addresses_are_dealt_out_one_after_the_other() -> None:
    assert first({}, *(floating(name) for name in "abc")) == ["pi1", "pi2", "pi3"]


def test_whoever_fell_silent_does_not_count_for_what_it_held() -> None:
    assert first({}, floating("a"), floating("b"), without={"a": "pi1"}) == ["pi2", "pi1"]


def test_the_preferred_node_must_be_better_and_settled() -> None:
    one = floating(pi1=200, pi2=100, pi3=100)
    late = PeerView(fit=True, standby=False, holds=frozenset(), well_since_ns=50)
    assert ranking.preferred(one, "pi2", EVERYBODY, 10) == "pi1"
    assert ranking.preferred(one, "pi1", EVERYBODY, 10) is None
    assert ranking.preferred(one, "pi2", {"pi1": late, "pi3": WELL}, 10) is None
