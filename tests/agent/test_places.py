"""Who is where, and whether it is one: mDNS finds peers, but only what they seal moves them."""

from __future__ import annotations

from picluster.model.endpoint import Endpoint
from picluster.model.events import EventKind
from picluster.model.inventory import Role
from picluster.model.sighting import Sighting
from tests.agent.workbench import HOMES, MS, STRANGER, Bench, Puppet


def sighting(node: str, *endpoints: Endpoint, role: Role = Role.MEMBER, incarnation: int = 77) -> Sighting:
    return Sighting(node, "bench", role, "1", endpoints, incarnation)


def destinations(bench: Bench) -> set[Endpoint]:
    return {to for to, _ in bench.datagrams.sent}


def test_a_forged_sighting_redirects_nothing() -> None:
    bench = Bench().holding()
    bench.beacon.waiting.append(sighting("pi2", STRANGER))
    bench.datagrams.sent.clear()
    bench.agent.turn()
    bench.clock.ns += 200 * MS
    bench.agent.turn()
    assert destinations(bench) == {HOMES["pi2"], HOMES["pi3"]}


def test_a_peer_that_moved_is_reported_with_both_places() -> None:
    bench = Bench().holding()
    elsewhere = Endpoint("10.77.0.99", 7654)
    bench.puppets["pi2"].beat()
    bench.datagrams.waiting += [(elsewhere, data) for to, data in bench.puppets["pi2"].datagrams.sent if to == HOMES["pi1"]]
    bench.puppets["pi2"].datagrams.sent.clear()
    bench.agent.turn()
    bench.clock.ns += 200 * MS
    bench.agent.turn()
    [moved] = bench.told(EventKind.PEER_MOVED)
    assert moved.text == "pi2 is at 10.77.0.99:7654 now, was at 10.77.0.12:7654"


def test_an_observer_is_told_what_everybody_is_told_and_forgotten_when_it_leaves() -> None:
    bench = Bench().holding()
    bench.beacon.waiting.append(sighting("observer-00aa", STRANGER, role=Role.OBSERVER))
    bench.agent.turn()
    bench.datagrams.sent.clear()
    bench.clock.ns += 200 * MS
    bench.agent.turn()
    assert STRANGER in destinations(bench)
    bench.beacon.waiting.append(sighting("observer-00aa", role=Role.OBSERVER))
    bench.agent.turn()
    bench.run(400)
    assert set(bench.agent.messenger.links) == {"pi2", "pi3"}


def test_an_observer_of_a_nodes_name_is_no_observer() -> None:
    bench = Bench().holding()
    bench.beacon.waiting.append(sighting("pi2", STRANGER, role=Role.OBSERVER))
    bench.run(300)
    assert bench.agent.messenger.links["pi2"].endpoint == HOMES["pi2"]
    assert bench.agent.messenger.links["pi2"].targets(bench.clock.ns, search=True) == (HOMES["pi2"],)


def test_a_suspicion_of_twins_is_told_once_a_minute_and_changes_nothing() -> None:
    bench = Bench().holding()
    for incarnation in (1, 2, 1):
        bench.beacon.waiting.append(sighting("pi2", HOMES["pi2"], incarnation=incarnation))
        bench.agent.turn()
    bench.run(5_000)
    [twin] = bench.told(EventKind.TWIN)
    assert twin.text.startswith("two machines seem to run under the name pi2")
    assert bench.keeper.held == {"web"}


def test_twins_that_take_turns_are_told_of_for_sure() -> None:
    bench = Bench().holding()
    original = bench.puppets["pi2"]
    copy = Puppet(bench, "pi2", 3_000)
    for present in (copy, original):
        bench.puppets["pi2"] = present
        bench.run(2_500, beating=present is copy)
        bench.run(600)
    [twin] = bench.told(EventKind.TWIN)
    assert twin.text.startswith("two machines run under the name pi2")
