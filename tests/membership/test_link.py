"""One link, in small scenes: whom it believes, where it looks for the peer, how good it says that the way is."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.membership.link import MOST_HINTS, SENDING_TIMES_KEPT, SILENT_AFTER_HEARTBEATS
from picluster.model.endpoint import Endpoint
from picluster.model.messages import Cause, Envelope, Hearing, Held
from tests.membership.pair import GRANT, HEARTBEAT_MS, HOMES, MS, SILENT_NS, Pair, acquainted, heartbeat

ELSEWHERE = Endpoint("10.77.0.99", 7654)
STRANGER = Endpoint("192.0.2.66", 7654)


# ── belief ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_fresh_nodes_believe_each_other_after_three_heartbeats() -> None:
    pair = Pair()
    assert pair.arrive(pair.pi1.write(pair.now_ns)) == "not-believed"
    assert pair.arrive(pair.pi2.write(pair.now_ns)) == ""
    assert pair.pi1.link.incarnation == pair.pi2.incarnation
    assert pair.arrive(pair.pi1.write(pair.now_ns)) == ""
    assert pair.believed


def test_heartbeats_that_cross_do_no_harm() -> None:
    pair = Pair()
    for _ in range(3):
        first, second = pair.pi1.write(pair.now_ns), pair.pi2.write(pair.now_ns)
        pair.arrive(first)
        pair.arrive(second)
    assert pair.believed


@pytest.mark.parametrize("unheard_ms", [0, 3_000])
@pytest.mark.parametrize("restarting", [["pi1"], ["pi2"], ["pi1", "pi2"]])
def test_who_restarts_is_believed_again_within_two_heartbeats_each(restarting: list[str], unheard_ms: int) -> None:
    pair = acquainted()
    pair.after(unheard_ms)
    for name in restarting:
        pair.restart(name)
    pair.exchange()
    pair.exchange()
    assert pair.believed


def test_a_new_belief_draws_a_new_challenge() -> None:
    pair = acquainted()
    before = pair.pi1.link.challenge
    pair.exchange()
    assert pair.pi1.link.challenge == before
    pair.restart("pi2")
    pair.exchange()
    pair.exchange()
    assert pair.pi1.link.challenge not in (before, 0)


def test_a_claim_of_a_new_incarnation_is_believed_as_well_as_a_heartbeat() -> None:
    pair = acquainted()
    fresh = pair.restart("pi2")
    pair.arrive(pair.pi1.write(pair.now_ns))
    assert pair.arrive(fresh.write(pair.now_ns, GRANT)) == ""
    assert pair.pi1.link.incarnation == fresh.incarnation
    assert pair.pi1.link.view(pair.now_ns) is None, "of its state nothing is known before its heartbeat"


def test_the_recording_of_an_old_incarnation_is_never_believed_again() -> None:
    pair = Pair()
    recorded: list[Envelope] = []
    for run in range(4):
        for _ in range(5):
            pair.exchange()
            recorded.append(pair.pi2.write(pair.now_ns))
        if run < 3:
            pair.restart("pi2")
    pair.exchange()
    old = [envelope for envelope in recorded if envelope.incarnation != pair.pi2.incarnation]
    assert len(old) == 15
    assert {pair.arrive(envelope) for envelope in old} == {"not-believed"}
    pair.after(60_000)
    assert {pair.arrive(envelope) for envelope in old} == {"not-believed"}, "nor while the peer is silent"
    assert pair.pi1.link.incarnation == pair.pi2.incarnation
    assert pair.pi1.link.twin_ns is None


def test_a_recording_does_not_impress_a_node_that_has_forgotten_everything() -> None:
    pair = acquainted()
    recorded = [pair.pi2.write(pair.now_ns) for _ in range(20)]
    pair.restart("pi1")
    assert {pair.arrive(envelope) for envelope in recorded} == {"not-believed"}
    pair.exchange()
    pair.exchange()
    assert pair.believed


def test_a_repeated_datagram_is_taken_once() -> None:
    pair = acquainted()
    envelope = pair.pi2.write(pair.now_ns, GRANT)
    assert [pair.arrive(envelope) for _ in range(3)] == ["", "replayed", "replayed"]


def test_what_is_behind_the_window_is_taken_for_a_replay() -> None:
    pair = acquainted()
    late = pair.pi2.write(pair.now_ns, GRANT)
    for _ in range(1_100):
        last = pair.pi2.write(pair.now_ns, GRANT)
    assert pair.arrive(last) == ""
    assert pair.arrive(late) == "replayed"


def test_what_is_not_believed_changes_nothing_while_the_peer_is_there() -> None:
    pair = acquainted()
    link = pair.pi1.link
    before = (link.incarnation, link.endpoint, link.heard_ns, link.heartbeat, link.challenge, link.echo)
    stray = Envelope("pi2", 999, "pi1", 5, 4_711, heartbeat(17))
    pair.after(100)
    assert pair.arrive(stray, STRANGER) == "not-believed"
    after = (link.incarnation, link.endpoint, link.heard_ns, link.heartbeat, link.challenge, link.echo)
    assert after == before
    assert link.targets(pair.now_ns, search=True) == (HOMES["pi2"],)


def test_two_machines_under_one_name_are_noticed_when_they_take_turns() -> None:
    pair = acquainted()
    original = pair.pi2
    copy = pair.restart("pi2")
    for machine in (copy, original):
        pair.pi2 = machine
        assert pair.pi1.link.twin_ns is None
        pair.exchange()
        pair.exchange()
    assert pair.pi1.link.incarnation == original.incarnation
    assert pair.pi1.link.twin_ns is not None


def test_a_restart_is_no_twin() -> None:
    pair = acquainted()
    for _ in range(12):
        pair.restart("pi2")
        pair.exchange()
        pair.exchange()
        assert (pair.pi1.link.incarnation, pair.pi1.link.twin_ns) == (pair.pi2.incarnation, None)


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_overtaken_is_good_for_its_message_only() -> None:
    pair = acquainted()
    link = pair.pi1.link
    early = pair.pi2.write(pair.now_ns)
    goodbye = pair.pi2.write(pair.now_ns, leaving=True)
    assert pair.arrive(goodbye) == ""
    heard_ns = link.heard_ns
    pair.after(50)
    assert pair.arrive(early, ELSEWHERE) == ""
    assert link.left, "an older heartbeat takes no goodbye back"
    assert (link.endpoint, link.heard_ns) == (HOMES["pi2"], heard_ns)


# ── place ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_peer_is_followed_with_its_first_datagram_from_elsewhere() -> None:
    pair = acquainted()
    assert pair.arrive(pair.pi2.write(pair.now_ns, GRANT), ELSEWHERE) == ""
    assert pair.pi1.link.endpoint == ELSEWHERE
    assert pair.pi1.link.targets(pair.now_ns, search=True) == (ELSEWHERE,)


def test_a_forged_hint_redirects_nobody() -> None:
    pair = acquainted()
    link = pair.pi1.link
    link.hint([STRANGER])
    assert link.targets(pair.now_ns, search=True) == (HOMES["pi2"],)
    pair.after(60_000)
    assert link.targets(pair.now_ns, search=True) == (HOMES["pi2"], STRANGER), "tried on top while it is silent"
    assert link.targets(pair.now_ns, search=False) == (HOMES["pi2"],), "and nothing but heartbeats is tried"
    assert pair.arrive(Envelope("pi2", 999, "pi1", 1, 4_711, heartbeat(17)), STRANGER) == "not-believed"
    assert link.endpoint == HOMES["pi2"]


def test_a_peer_that_was_never_heard_is_looked_for_everywhere() -> None:
    link = Pair().pi1.link
    link.configured = HOMES["pi2"]
    link.hint([ELSEWHERE, HOMES["pi2"]])
    assert link.targets(0, search=True) == (HOMES["pi2"], ELSEWHERE)
    assert link.targets(0, search=False) == ()


def test_hints_are_bounded() -> None:
    link = Pair().pi1.link
    link.hint([Endpoint("10.77.0.1", port) for port in range(1, 100)])
    assert len(link.targets(0, search=True)) == MOST_HINTS


def test_a_peer_that_restarted_elsewhere_is_answered_once_the_old_run_is_silent() -> None:
    """No mDNS, and DHCP gave the rebooted Pi another address: nobody knows it but from its own datagrams."""
    pair = acquainted()
    fresh = pair.restart("pi2")
    pair.after(60_000)
    assert pair.arrive(fresh.write(pair.now_ns), ELSEWHERE) == "not-believed"
    assert ELSEWHERE in pair.pi1.link.targets(pair.now_ns, search=True)
    assert pair.arrive(pair.pi1.write(pair.now_ns)) == ""
    assert pair.arrive(fresh.write(pair.now_ns), ELSEWHERE) == ""
    assert pair.pi1.link.targets(pair.now_ns, search=True) == (ELSEWHERE,)


# ── silence and leaving ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_peer_is_silent_after_some_missing_heartbeats() -> None:
    pair = acquainted()
    link = pair.pi1.link
    assert SILENT_NS == SILENT_AFTER_HEARTBEATS * HEARTBEAT_MS * MS
    assert link.is_heard(pair.now_ns + SILENT_NS)
    assert link.view(pair.now_ns + SILENT_NS) is not None
    assert not link.is_heard(pair.now_ns + SILENT_NS + 1)
    assert link.view(pair.now_ns + SILENT_NS + 1) is None


def test_any_datagram_shows_that_a_peer_is_there() -> None:
    pair = acquainted()
    pair.after(900)
    pair.arrive(pair.pi2.write(pair.now_ns, GRANT))
    pair.after(900)
    assert pair.pi1.link.is_heard(pair.now_ns)


def test_a_goodbye_ends_it_at_once_and_the_next_run_is_welcome() -> None:
    pair = acquainted()
    pair.arrive(pair.pi2.write(pair.now_ns, leaving=True))
    assert pair.pi1.link.left
    assert not pair.pi1.link.is_heard(pair.now_ns)
    pair.restart("pi2")
    pair.exchange()
    pair.exchange()
    assert pair.believed
    assert not pair.pi1.link.left


def test_the_view_tells_what_the_heartbeat_said() -> None:
    pair = acquainted()
    held = Held("web", 100_000, 0, "", Cause.FIRST, 0)
    pair.arrive(pair.pi2.write(pair.now_ns, heartbeat(pair.pi2.link.challenge, standby=True, holds=(held,))))
    view = pair.pi1.link.view(pair.now_ns)
    assert view is not None
    assert (view.fit, view.standby, view.holds) == (True, True, frozenset({"web"}))


@pytest.mark.parametrize("interruption", ["standby", "unfit", "gap", "restart"])
def test_who_was_interrupted_has_to_be_well_anew(interruption: str) -> None:
    pair = acquainted()
    link, since_ns = pair.pi1.link, pair.pi1.link.well_since_ns
    pair.exchange()
    assert link.well_since_ns == since_ns
    if interruption == "standby":
        pair.arrive(pair.pi2.write(pair.now_ns, standby=True))
    elif interruption == "unfit":
        pair.arrive(pair.pi2.write(pair.now_ns, fit=False))
    elif interruption == "gap":
        pair.after(5_000)
        # A renewal may be the first word after a gap, and hides it from the heartbeat that follows.
        pair.arrive(pair.pi2.write(pair.now_ns, GRANT))
    else:
        pair.restart("pi2")
    for _ in range(2):
        pair.exchange()
    assert link.well_since_ns > since_ns
    again_ns = link.well_since_ns
    pair.exchange()
    assert link.well_since_ns == again_ns


# ── quality ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def hearing_of(pair: Pair) -> Hearing:
    """What pi2 tells of pi1."""
    hearing = pair.pi2.link.hearing(pair.now_ns)
    assert hearing is not None
    return hearing


def test_a_peer_that_was_never_believed_is_not_spoken_of() -> None:
    assert Pair().pi1.link.hearing(0) is None


def test_the_round_trip_is_measured_without_common_clocks() -> None:
    pair = acquainted()
    sent = pair.pi1.write(pair.now_ns, GRANT)
    pair.after(3)
    pair.arrive(sent)
    pair.after(120)  # how long pi2 keeps it to itself does not matter
    hearing = hearing_of(pair)
    assert (hearing.node, hearing.age_us) == ("pi1", 120_000)
    pair.after(5)
    pair.pi1.link.learn_hearing(pair.now_ns, hearing)
    assert pair.pi1.link.round_trip_ns == 8 * MS


def test_the_round_trip_is_smoothed() -> None:
    pair = acquainted()
    for way_ms in (1, 11):
        sent = pair.pi1.write(pair.now_ns, GRANT)
        pair.after(way_ms)
        pair.arrive(sent)
        pair.pi1.link.learn_hearing(pair.now_ns, hearing_of(pair))
    assert pair.pi1.link.round_trip_ns == 3 * MS


def test_a_datagram_that_was_overtaken_does_not_blur_the_round_trip() -> None:
    pair = acquainted()
    early, late = pair.pi1.write(pair.now_ns, GRANT), pair.pi1.write(pair.now_ns, GRANT)
    pair.after(2)
    pair.arrive(late)
    pair.after(500)
    pair.arrive(early)
    pair.pi1.link.learn_hearing(pair.now_ns, hearing_of(pair))
    assert pair.pi1.link.round_trip_ns == 2 * MS


def test_sending_times_are_not_kept_for_ever() -> None:
    pair = acquainted()
    old = pair.pi1.link.next_sequence(pair.now_ns)
    for _ in range(SENDING_TIMES_KEPT):
        pair.pi1.link.next_sequence(pair.now_ns)
    pair.pi1.link.learn_hearing(pair.after(4), Hearing("pi1", old, 0, 0, 0))
    assert pair.pi1.link.round_trip_ns == 0


def test_loss_is_known_in_both_directions() -> None:
    pair = acquainted()
    for number in range(200):
        envelope = pair.pi1.write(pair.now_ns, GRANT)
        if number % 4:
            pair.arrive(envelope)
        pair.arrive(pair.pi2.write(pair.now_ns, GRANT))
    pair.pi1.link.learn_hearing(pair.now_ns, hearing_of(pair))
    assert (pair.pi1.link.loss_to_percent, pair.pi1.link.loss_from_percent) == (25, 0)
    assert pair.pi2.link.loss_from_percent == 25


def test_a_new_incarnation_starts_with_a_clean_record() -> None:
    pair = acquainted()
    for number in range(100):
        envelope = pair.pi2.write(pair.now_ns, GRANT)
        if number % 2:
            pair.arrive(envelope)
    assert pair.pi1.link.loss_from_percent == 50
    pair.restart("pi2")
    pair.exchange()
    pair.exchange()
    assert (pair.pi1.link.loss_from_percent, pair.pi1.link.loss_to_percent, pair.pi1.link.round_trip_ns) == (0, None, 0)


# ── whatever may happen ─────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["send1", "send2", "deliver", "repeat", "lose", "restart1", "restart2", "wait"]), max_size=120)
)
def test_nobody_retired_is_believed_and_the_newest_are_in_the_end(deeds: list[str]) -> None:
    """Whatever is lost, late, repeated or overtaken, and whoever restarts: a datagram of an older incarnation is never taken
    after the newer one was believed, and once datagrams flow both believe whom they should."""
    pair, chance = Pair(), Random(len(deeds))
    under_way: list[Envelope] = []
    newest_believed = {"pi1": 0, "pi2": 0}

    def arrive(envelope: Envelope) -> None:
        receiver = pair.machine(envelope.receiver)
        if pair.arrive(envelope) == "":
            assert envelope.incarnation >= newest_believed[envelope.receiver]
            newest_believed[envelope.receiver] = envelope.incarnation
            assert receiver.link.incarnation == envelope.incarnation

    for deed in deeds:
        if deed.startswith("send"):
            under_way.append(pair.machine(f"pi{deed[-1]}").write(pair.now_ns))
        elif deed.startswith("restart"):
            pair.restart(f"pi{deed[-1]}")
            newest_believed[f"pi{deed[-1]}"] = 0
        elif deed == "wait":
            pair.after(700)
        elif under_way:
            chosen = chance.choice(under_way)
            if deed != "repeat":
                under_way.remove(chosen)
            if deed != "lose":
                arrive(chosen)
    for envelope in under_way:
        arrive(envelope)
    for _ in range(3):
        pair.exchange()
    assert pair.believed
