"""From everybody's heartbeats to one picture of the cluster, and from two pictures to what happened between them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picluster.agent.narration import Narrator, told_cause, told_move
from picluster.agent.overview import Testimony as Word
from picluster.agent.overview import take_snapshot
from picluster.inventory import load
from picluster.model.events import Severity
from picluster.model.inventory import Role
from picluster.model.messages import Cause, Hearing, Heartbeat, Held
from picluster.model.snapshot import ClusterSnapshot, Health, MoveView, NodeState, NodeView

MS = 1_000_000
SILENT_NS = 1_000 * MS
INVENTORY = load(
    """
    [cluster]
    name = "view"
    [quorum]
    voters = ["pi1", "pi2", "nas"]
    [addresses.web]
    address = "10.77.0.100"
    [nodes.pi1]
    [nodes.pi2]
    [nodes.nas]
    role = "witness"
    """,
    "view.toml",
)
NAMES = INVENTORY.node_names
Testimonies = dict[str, Word]


def hearing(node: str, loss: int = 0, age_ms: int = 50) -> Hearing:
    return Hearing(node, 1, age_ms * 1_000, loss, 300)


def heartbeat(name: str, *holds: Held) -> Heartbeat:
    """Of a node that is well and hears everybody."""
    hearings = tuple(hearing(other) for other in NAMES if other != name)
    return Heartbeat(Role.MEMBER, 1, True, False, False, 3_600_000_000, "1", 0, holds=holds, hearings=hearings)


def held(left_ms: int = 120, held_ms: int = 5_000, previous: str = "", cause: Cause = Cause.FIRST) -> Held:
    return Held("web", left_ms * 1_000, held_ms * 1_000, previous, cause, 148_000)


def well(holder: str = "pi1") -> Testimonies:
    return {
        name: Word(heartbeat(name, *([held()] if name == holder else [])), 50 * MS, False, 50 * MS, f"{name}:7654", MS)
        for name in NAMES
    }


def seen(testimonies: Testimonies) -> ClusterSnapshot:
    return take_snapshot(INVENTORY, testimonies, SILENT_NS, "12:00:00")


def changed(name: str, **facts: object) -> Testimonies:
    """Everybody is well, but for one whose heartbeat says this."""
    testimonies = well()
    before = testimonies[name].heartbeat
    assert before is not None
    words = {field: getattr(before, field) for field in before.__dataclass_fields__} | facts
    testimonies[name] = replace(testimonies[name], heartbeat=Heartbeat(**words))
    return testimonies


def node(snapshot: ClusterSnapshot, name: str) -> NodeView:
    return next(view for view in snapshot.nodes if view.name == name)


# ── the picture ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_healthy_cluster() -> None:
    snapshot = seen(well())
    assert [view.state for view in snapshot.nodes] == [NodeState.HOLDER, NodeState.READY, NodeState.WITNESS]
    assert snapshot.health is Health.HEALTHY
    assert (snapshot.quorum.alive, snapshot.quorum.needed, snapshot.quorum.may_fail) == (("pi1", "pi2", "nas"), 2, 1)
    first = node(snapshot, "pi1")
    assert (first.endpoint, first.round_trip_ms, first.heard_s, first.holds) == ("pi1:7654", 1.0, 0.05, ("web",))
    assert (first.loss_to_percent, first.loss_from_percent, first.uptime_s) == (0, 0, 3_600.0)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"leaving": True}, NodeState.LEFT),
        ({"standby": True}, NodeState.STANDBY),
        ({"fit": False}, NodeState.DEGRADED),
        ({"hearings": ()}, NodeState.NO_QUORUM),
        ({"hearings": (hearing("nas", age_ms=1_001),)}, NodeState.NO_QUORUM),
        ({"hearings": (hearing("stranger"),)}, NodeState.NO_QUORUM),
        ({"hearings": (), "uptime_us": 1_000}, NodeState.STARTING),
        ({"hearings": (hearing("nas"),)}, NodeState.READY),
    ],
)
def test_the_state_of_a_node_is_one_word(facts: dict[str, object], state: NodeState) -> None:
    assert node(seen(changed("pi2", **facts)), "pi2").state is state


def test_who_was_never_heard_is_starting_and_who_fell_silent_is_silent() -> None:
    testimonies = well()
    del testimonies["pi2"]
    testimonies["nas"] = replace(testimonies["nas"], silent=True, age_ns=9_000 * MS)
    snapshot = seen(testimonies)
    assert [view.state for view in snapshot.nodes] == [NodeState.HOLDER, NodeState.STARTING, NodeState.SILENT]
    assert node(snapshot, "pi2").heard_s is None
    assert snapshot.quorum.alive == ("pi1",)
    assert not snapshot.quorum.held
    assert snapshot.health is Health.DOWN


def test_loss_is_that_of_the_worst_link() -> None:
    snapshot = seen(changed("pi2", hearings=(hearing("pi1", loss=3), hearing("nas", loss=20))))
    assert node(snapshot, "pi2").loss_to_percent == 20
    assert node(snapshot, "pi1").loss_from_percent == 3
    assert node(snapshot, "nas").loss_from_percent == 20


def test_the_address_shows_its_holder_its_lease_and_its_last_move() -> None:
    testimonies = well()
    testimonies["pi1"] = Word(heartbeat("pi1", held(previous="pi2", cause=Cause.SILENCE)), 100 * MS)
    [web] = seen(testimonies).addresses
    assert (web.holder, web.held_for_s, web.lease_left_ms) == ("pi1", 5.1, 120.0)
    assert web.last_move is not None
    assert (web.last_move.previous, web.last_move.cause, web.last_move.outage_ms) == ("pi2", "silence", 148.0)


def test_of_two_who_say_that_they_hold_it_the_later_one_does() -> None:
    """The word of the one before is just not withdrawn yet."""
    testimonies = well()
    testimonies["pi1"] = Word(heartbeat("pi1", held(held_ms=60_000)), 150 * MS)
    testimonies["pi2"] = Word(heartbeat("pi2", held(held_ms=20)), 10 * MS)
    assert seen(testimonies).addresses[0].holder == "pi2"


def test_the_word_of_a_holder_grows_old() -> None:
    testimonies = well()
    timing = INVENTORY.configuration.timing
    oldest_ns = 3 * timing.heartbeat_ns + timing.lease_ns
    testimonies["pi1"] = replace(testimonies["pi1"], age_ns=oldest_ns)
    assert seen(testimonies).addresses[0].holder == "pi1"
    testimonies["pi1"] = replace(testimonies["pi1"], age_ns=oldest_ns + 1)
    assert seen(testimonies).addresses[0].holder is None


# ── the story ───────────────────────────────────────────────────────────────────────────────────────────────────────


def story(*pictures: Testimonies, arriving: bool = False) -> list[str]:
    narrator = Narrator()
    told: list[str] = []
    for picture in pictures:
        told += [text for _, text in narrator.compare(seen(picture), arriving=arriving)]
    return told


def silent(*names: str) -> Testimonies:
    testimonies = well()
    for name in names:
        testimonies[name] = replace(testimonies[name], silent=True, age_ns=9_000 * MS)
    return testimonies


def test_nothing_happened() -> None:
    assert story(well(), well()) == []


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (well(), silent("pi2"), "pi2 is silent: no power, no network, or hung"),
        (silent("pi2"), well(), "pi2 is back"),
        (well(), changed("pi2", leaving=True), "pi2 was stopped"),
        (well(), changed("pi2", standby=True), "pi2 is on standby"),
        (changed("pi2", standby=True), well(), "pi2 is well again"),
        (well(), changed("pi2", fit=False, note="eth0 has no link"), "pi2 is unfit: eth0 has no link"),
        (well(), changed("pi2", fit=False), "pi2 is unfit: it does not say why"),
        (well(), changed("pi2", hearings=()), "pi2 hears no majority of the voters"),
    ],
)
def test_a_change_of_state_is_one_sentence(before: Testimonies, after: Testimonies, text: str) -> None:
    assert story(before, after) == [text]


def test_who_comes_back_is_told_of_once_and_when_it_is_here() -> None:
    starting = changed("pi2", hearings=(), uptime_us=1_000)
    assert story(well(), silent("pi2"), starting, starting, well())[1:] == ["pi2 is back"]
    assert story(well(), starting, well()) == ["pi2 is here"]


def test_a_long_outage_is_told_in_seconds() -> None:
    after = well("pi2")
    long = replace(held(held_ms=10, previous="pi1", cause=Cause.SILENCE), outage_us=66_696_000)
    after["pi2"] = replace(after["pi2"], heartbeat=heartbeat("pi2", long))
    assert story(well(), after) == ["web → pi2 after 66.7 s: pi1 fell silent"]


def test_quorum_lost_and_found() -> None:
    lost = "no quorum: 1 of 3 voters are here, 2 are needed"
    assert lost in story(well(), silent("pi2", "nas"))
    assert "quorum again: 3 of 3 voters are here, 2 are needed" in story(well(), silent("pi2", "nas"), well())


def test_who_arrives_late_takes_what_it_finds_for_granted() -> None:
    assert story({}, well(), arriving=True) == []
    assert {"pi2 is here", "web → pi1: nobody held it before"} <= set(story({}, well()))


def test_what_happens_just_as_somebody_arrives_is_news() -> None:
    after = well()
    after["pi1"] = Word(heartbeat("pi1", held(held_ms=200)), 50 * MS)
    assert story({}, after, arriving=True) == ["web → pi1: nobody held it before"]


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.SILENCE, "pi1 fell silent"),
        (Cause.STOPPED, "pi1 was stopped"),
        (Cause.STANDBY, "pi1 was put on standby"),
        (Cause.UNFIT, "pi1 was unfit"),
        (Cause.MOVED, "it was asked for"),
        (Cause.FAILBACK, "pi2 is preferred and back"),
        (Cause.EXPIRED, "pi1 lost its majority"),
    ],
)
def test_a_move_says_who_to_whom_how_long_and_why(cause: Cause, reason: str) -> None:
    after = well("pi2")
    after["pi2"] = replace(after["pi2"], heartbeat=heartbeat("pi2", held(held_ms=10, previous="pi1", cause=cause)))
    nobody = well("nobody")
    assert story(well(), nobody, after) == [f"web → pi2 after 148 ms: {reason}"]


def test_every_cause_has_its_words() -> None:
    for cause in Cause:
        after = well("nobody")
        after["pi2"] = replace(after["pi2"], heartbeat=heartbeat("pi2", held(previous="pi1", cause=cause)))
        told = told_move(seen(after).addresses[0])
        assert "{" not in told
        assert not told.endswith(f": {cause.value}")
    assert told_move(seen(well("nobody")).addresses[0]) == "web: nobody holds it"


def test_an_unknown_cause_is_told_as_it_came() -> None:
    assert told_cause(MoveView("pi1", "pi3", "{eclipse}", 1.0, 1.0)) == "{eclipse}"


def test_bad_news_look_bad() -> None:
    narrator = Narrator()
    narrator.compare(seen(well()))
    assert {severity for severity, _ in narrator.compare(seen(silent("pi2")))} == {Severity.BAD}
