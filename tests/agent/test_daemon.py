"""A daemon's life: it starts, takes an address, is told what to do by people, loses and regains its quorum, and leaves."""

from __future__ import annotations

import pytest

from picluster.model.events import EventKind, Severity
from picluster.model.inventory import Role
from picluster.model.messages import Claim, Grant, Heartbeat
from picluster.model.sighting import Sighting
from picluster.model.snapshot import Health, NodeState
from picluster.wire import WireFault
from tests.agent.workbench import MS, STRANGER, TWO_ADDRESSES, Bench, releases


def test_the_slate_is_clean_and_the_term_written_down_before_the_first_word() -> None:
    bench = Bench(TWO_ADDRESSES)
    assert bench.history() == [("clean slate", "web", "dns"), ("remember", "175000")]
    bench.agent.start()
    bench.step()
    words = [entry[0] for entry in bench.history()]
    assert words.index("clean slate") < words.index("told started") < words.index("sent heartbeat")


def test_what_this_machine_does_not_cover_is_said_at_the_start_and_in_every_snapshot() -> None:
    bench = Bench(gaps=("no gate here",))
    bench.agent.start()
    assert [event.text for event in bench.told(EventKind.NOT_COVERED)] == ["no gate here"]
    assert bench.agent.snapshot("12:00:00").notices == ("no gate here",)


def test_an_address_is_taken_once_everybody_agrees_and_announced_after_it_is_held() -> None:
    bench = Bench().ready()
    bench.run(2_000)
    words = bench.history()
    assert words.index(("hold", "web")) < words.index(("announce", "web")) < words.index(("told took", "web"))
    assert [event.severity for event in bench.told(EventKind.TOOK)] == [Severity.INFO]
    snapshot = bench.agent.snapshot("12:00:00")
    assert snapshot.addresses[0].holder == "pi1"
    assert {node.name: node.state for node in snapshot.nodes} == {
        "pi1": NodeState.HOLDER,
        "pi2": NodeState.READY,
        "pi3": NodeState.READY,
    }
    assert snapshot.health is Health.HEALTHY


# ── what people ask ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_standby_lasts_until_it_is_ended_and_the_node_votes_on() -> None:
    bench = Bench().holding()
    bench.agent.set_standby(True)
    bench.run(1_000)
    assert bench.keeper.held == set()
    assert bench.agent.snapshot("12:00:00").nodes[0].state is NodeState.STANDBY
    bench.puppets["pi2"].say(Claim("web", 99, 150_000, 1))
    bench.run(20)
    assert bench.puppets["pi2"].heard_of(Grant)
    bench.agent.set_standby(False)
    bench.run(2_000)
    assert bench.keeper.held == {"web"}


@pytest.mark.parametrize(
    ("address", "to", "says"),
    [
        ("wob", "pi2", "no floating address is called 'wob'; there are: web"),
        ("web", "pi9", "pi9 cannot hold web now; these can: pi2, pi3"),
        ("web", "pi1", "pi1 cannot hold web now"),
    ],
)
def test_a_move_that_cannot_be_done_says_why_and_moves_nothing(address: str, to: str, says: str) -> None:
    bench = Bench().holding()
    with pytest.raises(ValueError, match=says):
        bench.agent.move(address, to)
    assert bench.keeper.held == {"web"}


def test_who_does_not_hold_it_names_who_does() -> None:
    bench = Bench().ready()
    bench.puppets["pi2"].say(Claim("web", 5, 150_000, 1))
    bench.run(20)
    with pytest.raises(ValueError, match="pi1 does not hold web; pi2 does, ask there"):
        bench.agent.move("web", "pi3")


# ── quorum and peers ────────────────────────────────────────────────────────────────────────────────────────────────


def test_quorum_is_told_when_it_comes_and_when_it_goes() -> None:
    bench = Bench().holding()
    bench.run(2_000, beating=False)
    for puppet in bench.puppets.values():
        puppet.mute = True
    bench.run(2_000, beating=False)
    assert [event.severity for event in bench.told(EventKind.QUORUM_LOST)] == [Severity.BAD]
    assert {event.node for event in bench.told(EventKind.PEER_DOWN)} == {"pi2", "pi3"}
    assert bench.keeper.held == set(), "without a majority the lease runs out"
    bench.run(400)
    assert [event.severity for event in bench.told(EventKind.QUORUM_REGAINED)] == [Severity.INFO]


def test_a_node_that_starts_alone_says_that_there_is_no_quorum() -> None:
    bench = Bench()
    bench.agent.start()
    bench.run(500, beating=False)
    assert not bench.told(EventKind.QUORUM_LOST), "give the others a moment"
    bench.run(2_000, beating=False)
    assert len(bench.told(EventKind.QUORUM_LOST)) == 1


def test_a_move_is_told_to_everybody_at_once() -> None:
    bench = Bench().holding()
    bench.run(60)
    before = bench.agent.deadline_ns
    bench.agent.set_standby(True)
    bench.forget()
    bench.agent.turn([])
    assert bench.clock.ns < before + 200 * MS
    assert [word for word in bench.history() if word[0] == "sent heartbeat"] == [
        ("sent heartbeat", "pi2"),
        ("sent heartbeat", "pi3"),
    ]


def test_leaving_is_the_last_word_and_ends_when_all_is_handed_over() -> None:
    bench = Bench().holding()
    bench.agent.stop()
    assert not bench.agent.finished, "the release is said again, in case it is lost"
    bench.run(100)
    assert bench.agent.finished
    bench.agent.close()
    bench.carry()
    last = [message for message in bench.puppets["pi2"].heard if isinstance(message, Heartbeat)][-1]
    assert last.leaving
    assert len(releases(bench.puppets["pi2"])) == 3
    assert bench.history()[-1][0] == "told stopped"


def test_its_picture_tells_of_company_that_it_cannot_read_and_of_strangers() -> None:
    bench = Bench().ready()
    bench.beacon.waiting += [
        Sighting("pi9", "bench", Role.MEMBER, "1", (STRANGER,), 9),
        Sighting("pi1", "attic", Role.MEMBER, "1", (STRANGER,), 10),
    ]
    bench.agent.messenger.counters[WireFault.OTHER_KEY] += 3
    bench.step()
    strangers = (
        "pi9 says it belongs to this cluster, and the inventory does not have it",
        "another cluster, attic, is on this network",
    )
    assert bench.agent.snapshot("12:00:00").notices == strangers
    for puppet in bench.puppets.values():
        puppet.mute = True
    bench.run(5_000, beating=False)
    assert bench.agent.snapshot("12:00:00").notices[0].startswith("3 datagrams came that are sealed with another key")


def test_a_candidate_that_could_hold_nothing_says_so_and_leaves_it_to_others() -> None:
    bench = Bench()
    bench.keeper.rightless = "no rights"
    bench.ready()
    bench.run(2_000)
    assert not bench.keeper.held
    assert bench.agent.member.problems == {"rights": "no rights"}
    assert [event.text for event in bench.told(EventKind.FITNESS)] == ["unfit to hold addresses: no rights"]
    assert any(isinstance(beat, Heartbeat) and not beat.fit for beat in bench.puppets["pi2"].heard)
