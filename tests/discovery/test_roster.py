"""Sightings as hints: bounded, newest first, forgotten in time, and never a word about who is alive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picluster.discovery.roster import FORGET_NS, MOST_CLUSTERS, MOST_HINTS, MOST_OBSERVERS, MOST_STRANGERS, Roster
from picluster.model.endpoint import Endpoint
from picluster.model.inventory import Role
from picluster.model.sighting import Sighting

NODES = ("pi1", "pi2", "pi3")
LATER = FORGET_NS + 1


def sighting(node: str = "pi2", *hosts: str, run: int = 1, cluster: str = "home", role: Role = Role.MEMBER) -> Sighting:
    return Sighting(node, cluster, role, "0.1.0", tuple(Endpoint(host, 7654) for host in hosts), incarnation=run)


def roster(*sightings: Sighting) -> Roster:
    """pi1's roster after these sightings, all at the same moment."""
    made = Roster("home", "pi1", NODES)
    for each in sightings:
        made.observe(each, 0)
    return made


def hosts(endpoints: tuple[Endpoint, ...]) -> list[str]:
    return [endpoint.host for endpoint in endpoints]


def test_a_sighting_becomes_a_hint_for_its_node_alone() -> None:
    seen = roster(sighting("pi2", "10.0.0.2", "fd77::2"))
    assert hosts(seen.hints("pi2", 0)) == ["10.0.0.2", "fd77::2"]
    assert seen.hints("pi3", 0) == ()


def test_a_new_address_takes_the_place_of_the_old_one() -> None:
    seen = roster(sighting("pi2", "10.0.0.2"), sighting("pi2", "10.0.0.77"))
    assert hosts(seen.hints("pi2", 0)) == ["10.0.0.77"]


def test_the_latest_run_comes_first_and_hints_are_few() -> None:
    seen = roster(*(sighting("pi2", *(f"10.0.{run}.{host}" for host in range(1, 6)), run=run) for run in range(1, 20)))
    hints = hosts(seen.hints("pi2", 0))
    assert len(hints) == MOST_HINTS
    assert hints[0] == "10.0.19.1"


def test_a_goodbye_takes_the_hints_of_its_own_run_only() -> None:
    seen = roster(sighting("pi2", "10.0.0.2", run=1), sighting("pi2", "10.0.0.3", run=2), sighting("pi2", run=1))
    assert hosts(seen.hints("pi2", 0)) == ["10.0.0.3"]
    seen.observe(sighting("pi2", run=2), 0)
    assert seen.hints("pi2", 0) == ()


def test_what_is_not_sighted_again_is_forgotten() -> None:
    seen = roster(
        sighting("pi2", "10.0.0.2"),
        sighting("desk", "10.0.0.9", role=Role.OBSERVER),
        sighting("pi9", "10.0.0.8"),
        sighting("pi1", "10.0.0.7", cluster="lab"),
    )
    assert seen.hints("pi2", FORGET_NS)
    assert not seen.hints("pi2", LATER)
    assert seen.observers(FORGET_NS)
    assert not seen.observers(LATER)
    assert seen.strangers(FORGET_NS) == ("pi9",)
    assert not seen.strangers(LATER)
    assert seen.other_clusters(FORGET_NS) == ("lab",)
    assert not seen.other_clusters(LATER)


def test_a_foreign_cluster_gives_no_hint() -> None:
    seen = roster(sighting("pi2", "10.6.6.6", cluster="lab"))
    assert seen.hints("pi2", 0) == ()
    assert seen.other_clusters(0) == ("lab",)


def test_a_name_that_the_inventory_does_not_have_is_a_stranger() -> None:
    seen = roster(sighting("pi9", "10.0.0.9"))
    assert seen.hints("pi9", 0) == ()
    assert seen.strangers(0) == ("pi9",)
    seen.observe(sighting("pi9"), 0)
    assert seen.strangers(0) == ()


def test_a_reloaded_inventory_keeps_the_hints_of_nodes_that_stay() -> None:
    seen = roster(sighting("pi2", "10.0.0.2"), sighting("pi3", "10.0.0.3"))
    seen.expect(("pi1", "pi2", "pi4"))
    seen.observe(sighting("pi4", "10.0.0.4"), 0)
    assert [hosts(seen.hints(node, 0)) for node in ("pi2", "pi3", "pi4")] == [["10.0.0.2"], [], ["10.0.0.4"]]


def test_observers_are_told_apart_by_their_run() -> None:
    seen = roster(*(sighting("desk", f"10.0.0.{run}", run=run, role=Role.OBSERVER) for run in (1, 2)))
    assert [observer.incarnation for observer in seen.observers(0)] == [2, 1]
    seen.observe(sighting("desk", run=2, role=Role.OBSERVER), 0)
    assert [observer.incarnation for observer in seen.observers(0)] == [1]


def test_a_restart_is_no_twin() -> None:
    seen = roster(sighting("pi2", "10.0.0.2", run=1), sighting("pi2", "10.0.0.2", run=1), sighting("pi2", "10.0.0.2", run=2))
    assert seen.twins(0) == ()
    seen.observe(sighting("pi2", run=1), 0)
    seen.observe(sighting("pi2", "10.0.0.2", run=2), 0)
    assert seen.twins(0) == ()


def test_an_old_run_that_is_sighted_after_the_new_one_is_a_twin() -> None:
    seen = roster(sighting("pi2", "10.0.0.2", run=1), sighting("pi2", "10.0.0.3", run=2), sighting("pi2", "10.0.0.2", run=1))
    assert seen.twins(0) == ("pi2",)
    assert hosts(seen.hints("pi2", 0)) == ["10.0.0.2", "10.0.0.3"]
    assert seen.twins(LATER) == ()
    seen.observe(sighting("pi2", run=2), 0)
    assert seen.twins(0) == ()


def test_any_other_run_of_our_own_name_is_a_twin() -> None:
    seen = roster(sighting("pi1", "10.0.0.66", run=2))
    assert seen.twins(0) == ("pi1",)
    seen.observe(sighting("pi1", run=2), 0)
    assert seen.twins(0) == ()


def test_a_run_that_was_forgotten_and_returns_is_no_twin() -> None:
    seen = roster(sighting("pi2", "10.0.0.2", run=1))
    seen.observe(sighting("pi2", "10.0.0.3", run=2), 1)
    seen.observe(sighting("pi2", run=2), 2)
    seen.observe(sighting("pi2", "10.0.0.2", run=1), LATER + 2)
    seen.observe(sighting("pi2", "10.0.0.3", run=2), LATER + 3)
    assert seen.twins(LATER + 3) == ()


flood = st.lists(
    st.builds(
        lambda node, cluster, role, run, addresses: sighting(node, *addresses, run=run, cluster=cluster, role=role),
        st.sampled_from(["pi1", "pi2", "pi3", *(f"x{number}" for number in range(20))]),
        st.sampled_from(["home", *(f"c{number}" for number in range(20))]),
        st.sampled_from(Role),
        st.integers(0, 30),
        st.lists(st.sampled_from([f"10.0.0.{number}" for number in range(40)]), max_size=8),
    ),
    max_size=300,
)


@given(flood)
def test_a_flood_fills_nothing_beyond_its_bounds(sightings: list[Sighting]) -> None:
    seen = roster(*sightings)
    assert all(len(seen.hints(node, 0)) <= MOST_HINTS for node in NODES)
    assert len(seen.observers(0)) <= MOST_OBSERVERS
    assert len(seen.strangers(0)) <= MOST_STRANGERS
    assert len(seen.other_clusters(0)) <= MOST_CLUSTERS
    assert set(seen.twins(0)) <= set(NODES)


@given(flood)
def test_hints_are_what_the_cluster_itself_announced(sightings: list[Sighting]) -> None:
    seen = roster(*sightings)
    ours = [each for each in sightings if each.cluster == "home" and each.role is not Role.OBSERVER]
    for node in NODES:
        announced = {endpoint for each in ours if each.node == node for endpoint in each.endpoints}
        assert set(seen.hints(node, 0)) <= announced
