"""The agent with its ports in memory: in which order it obeys, what a failing port costs, and what it believes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from picluster.errors import TransitionError
from picluster.model.endpoint import Endpoint
from picluster.model.events import EventKind, Severity
from picluster.model.inventory import Inventory, Role
from picluster.model.messages import Claim, Envelope, Grant, Heartbeat, Refusal, Release
from picluster.model.sighting import Sighting
from picluster.model.snapshot import Health, NodeState
from picluster.ports import AddressRemoved, ForeignClaim, GateRestored, LinkChanged
from picluster.wire import Codec, Keyring
from tests.agent.workbench import HOMES, KEYRING, MS, SECOND, TWO_ADDRESSES, Bench, Puppet, inventory, releases

STRANGER = Endpoint("192.0.2.66", 7654)

# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_slate_is_clean_and_the_term_written_down_before_the_first_word() -> None:
    bench = Bench(TWO_ADDRESSES)
    assert bench.history() == [("clean slate", "web", "dns"), ("remember", "150000")]
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


# ── obeying ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def leave(bench: Bench) -> None:
    bench.agent.stop()


def step_aside(bench: Bench) -> None:
    bench.agent.set_standby(True)


def move_away(bench: Bench) -> None:
    bench.agent.move("web", "pi2")


def lose_the_link(bench: Bench) -> None:
    bench.keeper.waiting.append(LinkChanged("eth0", up=False))
    bench.step()


WAYS_OUT = [leave, step_aside, move_away, lose_the_link]


@pytest.mark.parametrize("way_out", WAYS_OUT)
def test_an_address_stops_answering_before_its_release_leaves(way_out: Callable[[Bench], None]) -> None:
    bench = Bench().holding()
    way_out(bench)
    words = bench.history()
    assert words.index(("let_go", "web")) < words.index(("sent release", "pi2"))
    assert bench.keeper.held == set()
    assert [event.severity for event in bench.told(EventKind.RELEASED)] == [Severity.INFO]
    bench.run(100)
    assert {release.successor for release in releases(bench.puppets["pi2"])} == {"pi2"}


@pytest.mark.parametrize("way_out", [leave, step_aside, lose_the_link])
def test_where_it_cannot_be_let_go_of_no_release_is_sent(way_out: Callable[[Bench], None]) -> None:
    bench = Bench().holding()
    bench.keeper.refuse = {"let_go"}
    way_out(bench)
    bench.run(1_000)
    assert not [word for word in bench.history() if word[0] == "sent release"]
    assert not bench.told(EventKind.RELEASED)
    [lost] = bench.told(EventKind.LOST)
    assert lost.severity is Severity.BAD
    assert "trying again" in lost.text
    assert len(bench.deeds("let_go refused")) > 3, "it is tried again"
    bench.keeper.refuse = set()
    bench.run(400)
    assert bench.keeper.held == set()
    assert [event.text for event in bench.told(EventKind.RELEASED)] == ["web is off this machine at last"]


def test_where_one_cannot_be_let_go_of_the_others_are_and_nothing_is_said() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    sent = len([word for word in bench.history() if word[0] == "sent release"])
    bench.keeper.refuse = {"let_go"}
    bench.agent.stop()
    assert bench.deeds("let_go refused") == [("let_go refused", "web"), ("let_go refused", "dns")]
    assert len([word for word in bench.history() if word[0] == "sent release"]) == sent


def test_an_address_that_is_held_again_is_not_let_go_of_by_an_old_attempt() -> None:
    bench = Bench().holding()
    bench.keeper.refuse = {"let_go"}
    step_aside(bench)
    bench.keeper.refuse = {"let_go", "hold"}
    bench.agent.set_standby(False)
    bench.keeper.refuse = {"let_go"}
    bench.run(1_500)
    assert bench.deeds("hold"), "it came back to this node, nobody else wanted it"
    bench.forget()
    bench.keeper.refuse = set()
    bench.run(500)
    assert bench.deeds("let_go") == []
    assert bench.keeper.held == {"web"}


@pytest.mark.parametrize("late", [False, True])
def test_what_could_not_be_held_is_neither_announced_nor_reported_as_taken(late: bool) -> None:
    bench = Bench().ready()
    bench.keeper.refuse, bench.keeper.late = set() if late else {"hold"}, late
    bench.run(800)
    words = bench.history()
    first = words.index(("hold too late" if late else "hold refused", "web"))
    assert not [word for word in words if word[0] in ("announce", "told took")]
    assert ("told lost", "web") in words
    assert words.index(("let_go", "web")) > first, "whatever the kernel did half, is undone"
    assert words.index(("let_go", "web")) < words.index(("sent release", "pi2"))


def test_a_renewal_that_the_kernel_refuses_ends_the_lease() -> None:
    bench = Bench().holding()
    bench.keeper.refuse = {"hold"}
    bench.run(60)
    assert bench.keeper.held == set()
    [lost] = bench.told(EventKind.LOST)
    assert "the kernel refuses to hold" in lost.text
    assert [release.cause.value for release in releases(bench.puppets["pi2"])][:1] == ["unfit"]


def test_an_announcement_that_fails_is_reported_and_the_address_is_kept() -> None:
    bench = Bench().ready()
    bench.keeper.refuse = {"announce"}
    bench.run(800)
    assert bench.keeper.held == {"web"}
    assert bench.told(EventKind.NOT_COVERED)[0].severity is Severity.WARNING


def test_a_lease_that_ended_while_the_agent_was_frozen_is_gone_before_anything_else_happens() -> None:
    bench = Bench().holding()
    bench.puppets["pi2"].say(Grant("web", 1))
    bench.carry()
    bench.clock.ns += SECOND
    bench.agent.turn()
    assert bench.history()[0] == ("let_go", "web")
    assert bench.told(EventKind.LOST)


def test_no_grant_without_a_record_of_its_term() -> None:
    bench = Bench(full=True).ready()
    bench.puppets["pi2"].say(Claim("web", 77, 150_000, 1))
    bench.run(50)
    assert not bench.puppets["pi2"].heard_of(Grant)
    assert bench.told(EventKind.NOT_COVERED)[0].severity is Severity.BAD
    for _ in range(20):
        bench.puppets["pi2"].say(Claim("web", 78, 150_000, 1))
        bench.run(5)
    assert len(bench.told(EventKind.NOT_COVERED)) == 1, "once is enough"
    bench.boot.full = False
    for number in (90, 91):
        bench.puppets["pi2"].say(Claim("web", number, 150_000, 1))
        bench.run(10)
    assert bench.puppets["pi2"].heard_of(Grant), "as soon as it can be written down, it votes"


def test_a_longer_term_is_written_down_before_it_is_granted() -> None:
    bench = Bench().ready()
    bench.forget()
    for number in (77, 78):
        bench.puppets["pi2"].say(Claim("web", number, 900_000, 1))
        bench.run(10)
    words = bench.history()
    assert words.index(("remember", "900000")) < words.index(("sent grant", "pi2"))


def test_a_probe_that_cannot_be_sent_makes_unfit_for_a_while() -> None:
    bench = Bench()
    bench.keeper.refuse = {"probe"}
    bench.ready()
    bench.run(1_000)
    assert not bench.agent.member.fit
    assert [event.severity for event in bench.told(EventKind.FITNESS)] == [Severity.BAD]
    bench.keeper.refuse = set()
    bench.run(8_000)
    assert bench.agent.member.fit
    assert bench.keeper.held == {"web"}


# ── what happens on the wire and in the kernel ──────────────────────────────────────────────────────────────────────


def test_an_address_that_was_removed_is_put_back() -> None:
    bench = Bench().holding()
    bench.keeper.waiting.append(AddressRemoved("web"))
    bench.step()
    assert bench.history()[:3] == [("hold", "web"), ("announce", "web"), ("told restored", "web")]


def test_rules_that_somebody_took_away_and_that_are_back_are_told() -> None:
    bench = Bench().holding()
    bench.keeper.waiting.append(GateRestored())
    bench.step()
    [restored] = bench.told(EventKind.RESTORED)
    assert restored.severity is Severity.WARNING
    assert bench.keeper.held == {"web"}


def test_a_foreign_machine_is_named() -> None:
    bench = Bench().holding()
    bench.keeper.waiting.append(ForeignClaim("web", "02:00:00:00:00:66"))
    bench.step()
    [conflict] = bench.told(EventKind.CONFLICT)
    assert "02:00:00:00:00:66" in conflict.text


def test_a_link_that_comes_back_makes_fit_again() -> None:
    bench = Bench().holding()
    lose_the_link(bench)
    assert bench.agent.member.problems
    bench.keeper.waiting.append(LinkChanged("eth0", up=True))
    bench.step()
    assert not bench.agent.member.problems
    assert [event.severity for event in bench.told(EventKind.FITNESS)] == [Severity.BAD, Severity.INFO]


def test_only_readable_ports_are_asked() -> None:
    bench = Bench().holding()
    bench.keeper.waiting.append(AddressRemoved("web"))
    bench.datagrams.waiting.append((STRANGER, b"noise"))
    bench.agent.turn([102])
    assert bench.keeper.waiting
    assert bench.datagrams.waiting
    bench.agent.turn([101, 103])
    assert not bench.keeper.waiting
    assert not bench.datagrams.waiting


# ── what people ask ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_standby_lasts_until_it_is_ended_and_the_node_votes_on() -> None:
    bench = Bench().holding()
    step_aside(bench)
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
    step_aside(bench)
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


# ── a newer configuration ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_reload_takes_a_node_in_and_keeps_the_address() -> None:
    bench = Bench().holding()
    newer = inventory(more='[nodes.pi4]\naddress = "10.77.0.14"\n')
    bench.agent.reconfigure(bench.settings_with(newer))
    assert set(bench.agent.messenger.links) == {"pi2", "pi3", "pi4"}
    bench.run(100)
    assert bench.keeper.held == {"web"}
    assert bench.told(EventKind.RECONFIGURED)
    assert HOMES["pi4"] in {entry[1] for entry in bench.record if isinstance(entry, tuple) and entry[0] == "sent"}


def test_a_reload_that_takes_the_address_away_lets_go_of_it() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    bench.agent.reconfigure(bench.settings_with(inventory()))
    assert bench.keeper.held == {"web"}
    bench.run(500)
    assert bench.keeper.held == {"web"}
    assert [entry for entry in bench.history() if entry[0] == "forget"] == [("forget", "dns")]


def test_a_link_that_carries_nothing_any_more_makes_nobody_unfit() -> None:
    wireless = '[addresses.radio]\naddress = "10.77.0.102"\ninterface = "wlan0"\n'
    bench = Bench(wireless).holding()
    bench.keeper.waiting.append(LinkChanged("wlan0", up=False))
    bench.step()
    assert bench.agent.member.problems
    bench.agent.reconfigure(bench.settings_with(inventory()))
    assert not bench.agent.member.problems


def test_an_address_whose_guard_stays_is_named() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    bench.keeper.refuse = {"forget"}
    bench.agent.reconfigure(bench.settings_with(inventory()))
    assert "dns floats no more" in bench.told(EventKind.NOT_COVERED)[-1].text


def test_a_stuck_address_that_the_reload_took_away_is_still_tried() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    bench.keeper.refuse = {"let_go"}
    bench.agent.reconfigure(bench.settings_with(inventory()))
    bench.run(500)
    bench.keeper.refuse = set()
    bench.run(500)
    assert "dns" not in bench.keeper.held


@pytest.mark.parametrize(
    "newer",
    [
        inventory(epoch=3),
        inventory(epoch=1, voters=("pi1",)),
        inventory(epoch=2, voters=("pi2",)),
        replace(inventory(), cluster="another"),
    ],
)
def test_a_reload_that_is_no_safe_step_changes_nothing(newer: Inventory) -> None:
    bench = Bench().holding()
    before = bench.agent.inventory
    with pytest.raises(TransitionError):
        bench.agent.reconfigure(bench.settings_with(newer))
    assert bench.agent.inventory is before
    bench.run(100)
    assert bench.keeper.held == {"web"}
    assert bench.events == []


def test_a_reload_rotates_the_key_without_moving_anything() -> None:
    bench = Bench().holding()
    both = Keyring((Keyring.parse(Keyring.fresh()).keys[0], KEYRING.keys[0]))
    bench.agent.reconfigure(replace(bench.settings, keyring=both))
    bench.forget()
    bench.agent.turn([])
    bench.clock.ns += 30 * MS
    bench.agent.turn([])
    sent = [data for _, data in bench.datagrams.sent]
    assert sent
    assert Codec("bench", both).decode(sent[0]).sender == "pi1"
    assert Codec("bench", Keyring(both.keys[:1])).decode(sent[0]), "sealed with the new key"
    bench.puppets["pi2"].beat()
    bench.carry()
    before = dict(bench.agent.messenger.counters)
    bench.agent.turn()
    assert dict(bench.agent.messenger.counters) == before, "the old key is believed as well"


# ── what is not to be believed ──────────────────────────────────────────────────────────────────────────────────────

CLAIM = Claim("web", 1 << 40, 150_000, 1)
RELEASE = Release("web", 1 << 40)


def replayed(bench: Bench) -> bytes:
    puppet = bench.puppets["pi2"]
    puppet.say(RELEASE)
    [(_, data)] = puppet.datagrams.sent
    bench.carry()
    bench.step()
    return data


def sealed(bench: Bench, sender: str = "pi2", receiver: str = "pi1", stray: bool = False) -> bytes:
    """A claim as pi2 would seal it; with `stray`, in a run that echoes nothing."""
    incarnation, echo = (4_711, 17) if stray else (2_000, bench.puppets["pi2"].messenger.links["pi1"].echo)
    return bench.codec.encode(Envelope(sender, incarnation, receiver, 9_999, echo, CLAIM))


def flipped(bench: Bench) -> bytes:
    data = bytearray(sealed(bench))
    data[40] ^= 1
    return bytes(data)


UNBELIEVABLE: dict[str, Callable[[Bench], bytes]] = {
    "too-short": lambda _: b"",
    "too-long": lambda bench: sealed(bench) + bytes(1_200),
    "not-ours": lambda _: bytes(200),
    "version": lambda bench: sealed(bench)[:3] + b"\x02" + sealed(bench)[4:],
    "other-cluster": lambda bench: Codec("garage", KEYRING).encode(bench.codec.decode(sealed(bench))),
    "other-key": lambda bench: Codec("bench", Keyring.parse(Keyring.fresh())).encode(bench.codec.decode(sealed(bench))),
    "forged": flipped,
    "own-name": lambda bench: sealed(bench, sender="pi1"),
    "misdirected": lambda bench: sealed(bench, receiver="pi3"),
    "stranger": lambda bench: sealed(bench, sender="pi9"),
    "not-believed": lambda bench: sealed(bench, stray=True),
    "replayed": replayed,
}


@pytest.mark.parametrize("kind", UNBELIEVABLE)
def test_what_is_not_to_be_believed_is_counted_changes_nothing_and_is_not_answered(kind: str) -> None:
    bench = Bench().holding()
    data = UNBELIEVABLE[kind](bench)
    agent = bench.agent
    before = (agent.member.held(bench.clock.ns), agent.messenger.views(bench.clock.ns), agent.snapshot("12:00:00"))
    counted = agent.messenger.counters.copy()
    bench.datagrams.sent.clear()
    bench.forget()
    for _ in range(3):
        bench.datagrams.waiting.append((STRANGER, data))
    agent.turn([101])
    assert agent.messenger.counters - counted == {kind: 3}
    assert bench.record == []
    assert bench.datagrams.sent == []
    assert (agent.member.held(bench.clock.ns), agent.messenger.views(bench.clock.ns), agent.snapshot("12:00:00")) == before
    bench.run(100)
    assert STRANGER not in {entry[1] for entry in bench.record if isinstance(entry, tuple) and entry[0] == "sent"}


def test_a_believed_claim_of_the_same_form_is_answered() -> None:
    """So that the test above shows what it says."""
    bench = Bench().holding()
    bench.datagrams.waiting.append((HOMES["pi2"], sealed(bench)))
    bench.datagrams.sent.clear()
    bench.agent.turn([101])
    assert [type(bench.codec.decode(data).message) for _, data in bench.datagrams.sent] == [Refusal]


def test_a_flood_of_noise_does_not_stop_the_renewals() -> None:
    bench = Bench().holding()
    for _ in range(100):
        bench.datagrams.waiting += [(STRANGER, bytes(100))] * 50
        bench.run(5)
    assert bench.keeper.held == {"web"}
    assert not bench.told(EventKind.LOST)


# ── who is where ────────────────────────────────────────────────────────────────────────────────────────────────────


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
