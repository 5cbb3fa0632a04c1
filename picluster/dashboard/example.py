"""Believable snapshots of a stack of Pis, for looking at the panels without a cluster and for the golden tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console

from picluster.dashboard.canvas import Frame, Lines, Panel
from picluster.dashboard.keys import Key
from picluster.dashboard.palette import QUIET
from picluster.model.events import Severity
from picluster.model.inventory import Role
from picluster.model.messages import Cause
from picluster.model.snapshot import (
    ClientView,
    ClusterSnapshot,
    EventView,
    FloatingView,
    MoveView,
    NodeState,
    NodeView,
    QuorumView,
)

DEMO_KEYS = (
    Key("1-5", "power", "pull that Pi's power, or plug it in again"),
    Key("s", "standby", "tell a Pi to hold nothing"),
    Key("m", "move", "move an address to another Pi"),
    Key("p", "partition", "cut the cable between two groups"),
    Key("f", "freeze", "hang a Pi's agent without killing it"),
    Key("l", "loss", "lose one datagram in five"),
)


def node(number: int, state: NodeState = NodeState.READY, **changes: Any) -> NodeView:
    """The Pi of this number, well and voting unless said otherwise."""
    view = NodeView(
        name=f"pi{number}",
        role=Role.MEMBER,
        voter=True,
        state=state,
        endpoint=f"192.168.1.{10 + number}:7654",
        heard_s=0.03 * number,
        round_trip_ms=0.3 + 0.04 * (number * 7 % 5),
        loss_to_percent=0,
        loss_from_percent=0,
        epoch=4,
        version="0.1.0",
        uptime_s=86_400.0 * 3 + 4_000 * number,
    )
    return replace(view, **changes)


def _silent(number: int, heard_s: float) -> NodeView:
    known = node(number, NodeState.SILENT, heard_s=heard_s, loss_from_percent=100)
    return replace(known, round_trip_ms=None, loss_to_percent=None, uptime_s=None)


def _witness(**changes: Any) -> NodeView:
    nas = NodeView("nas", Role.WITNESS, voter=True, state=NodeState.WITNESS, endpoint="192.168.1.5:7654", heard_s=0.09)
    nas = replace(nas, round_trip_ms=0.8, loss_to_percent=0, loss_from_percent=0, epoch=4, version="0.1.0", uptime_s=2e6)
    return replace(nas, **changes)


def event(clock: str, text: str, severity: Severity = Severity.INFO) -> EventView:
    return EventView(clock, severity, text)


WEB = FloatingView(
    name="web",
    address="192.168.1.50",
    candidates=("pi1", "pi2", "pi3"),
    holder="pi3",
    held_for_s=134,
    lease_ms=150,
    lease_left_ms=118,
    last_move=MoveView("pi1", "pi3", Cause.SILENCE.value, 148.0, 134),
)
DNS = FloatingView(
    name="dns",
    address="192.168.1.53",
    candidates=("pi2", "pi4"),
    holder="pi2",
    held_for_s=266_000,
    lease_ms=150,
    lease_left_ms=141,
    last_move=MoveView("", "pi2", Cause.FIRST.value, 0.0, 266_000),
)
HISTORY = (
    event("12:01:26.9", "pi1 has fallen silent", Severity.WARNING),
    event("12:01:27.1", "pi3 holds web: pi1 fell silent, nobody answered for 148 ms"),
    event("12:02:58.4", "pi1 is back as a new incarnation"),
)
VOTERS = ("pi1", "pi2", "pi3", "pi4", "nas")
CLIENT = ClientView("pi3", 134_212, 141, 1_000, 0.0, "pi1 → pi3 in 143 ms, 141 of 1,000 requests lost")

HEALTHY = ClusterSnapshot(
    cluster="home",
    clock="12:03:41",
    nodes=(
        node(1),
        node(2, NodeState.HOLDER, holds=("dns",)),
        node(3, NodeState.HOLDER, holds=("web",)),
        node(4),
        _witness(),
    ),
    addresses=(WEB, DNS),
    quorum=QuorumView(VOTERS, VOTERS, 3),
    events=HISTORY,
    client=CLIENT,
)
SILENT = replace(
    HEALTHY,
    nodes=(_silent(1, 12.0), *HEALTHY.nodes[1:]),
    addresses=(replace(WEB, held_for_s=12.0, last_move=MoveView("pi1", "pi3", Cause.SILENCE.value, 148.0, 12.0)), DNS),
    quorum=QuorumView(VOTERS, VOTERS[1:], 3),
    events=(
        event("11:20:03.0", "pi1 holds web: nobody held it before"),
        event("12:03:28.9", "pi1 has fallen silent", Severity.WARNING),
        event("12:03:29.1", "pi3 holds web: pi1 fell silent, nobody answered for 148 ms"),
    ),
)
NO_QUORUM = replace(
    HEALTHY,
    nodes=(
        _silent(1, 12.0),
        node(2, NodeState.NO_QUORUM, note="hears 2 of 5 voters"),
        _silent(3, 4.2),
        _silent(4, 4.1),
        _witness(state=NodeState.NO_QUORUM, note="hears 2 of 5 voters"),
    ),
    addresses=(replace(WEB, holder=None, held_for_s=None, lease_left_ms=0), replace(DNS, holder=None, held_for_s=None)),
    quorum=QuorumView(VOTERS, ("pi2", "nas"), 3),
    events=(
        *SILENT.events,
        event("12:03:36.8", "pi3 has fallen silent", Severity.WARNING),
        event("12:03:36.9", "pi4 has fallen silent", Severity.WARNING),
        event("12:03:37.0", "pi2 has let go of dns: its lease ran out unrenewed, 2 of 5 voters answered", Severity.BAD),
        event("12:03:37.0", "no quorum: 3 of 5 voters are needed, 2 are alive", Severity.BAD),
    ),
    client=ClientView("", 139_800, 4_720, 1_000, 0.0, "nobody has answered for 4.1 s"),
)
STANDBY = replace(
    HEALTHY,
    nodes=(node(1, NodeState.STANDBY, note="on standby since 12:02"), *HEALTHY.nodes[1:]),
    addresses=(replace(WEB, last_move=MoveView("pi1", "pi3", Cause.STANDBY.value, 4.2, 95)), DNS),
    events=(
        event("12:02:06.3", "pi1 was put on standby and names pi3 as successor"),
        event("12:02:06.3", "pi3 holds web: pi1 was put on standby, nobody answered for 4.2 ms"),
    ),
)
PARTITION = replace(
    HEALTHY,
    nodes=(
        node(1, NodeState.NO_QUORUM, note="hears 2 of 5 voters: itself, pi2", loss_to_percent=60, loss_from_percent=60),
        node(2, NodeState.NO_QUORUM, note="hears 2 of 5 voters: itself, pi1", loss_to_percent=58, loss_from_percent=61),
        node(3, NodeState.HOLDER, holds=("web", "dns")),
        node(4, NodeState.DEGRADED, note="eth0 has no link at 100 Mbit/s or more", loss_to_percent=20, loss_from_percent=0),
        _witness(),
    ),
    addresses=(
        replace(WEB, lease_left_ms=40),
        replace(DNS, holder="pi3", held_for_s=8, last_move=MoveView("pi2", "pi3", Cause.EXPIRED.value, 171.0, 8)),
    ),
    quorum=QuorumView(VOTERS, ("pi3", "pi4", "nas"), 3),
    events=(
        *HISTORY,
        event("12:03:33.0", "pi2 has let go of dns: its lease ran out unrenewed", Severity.WARNING),
        event("12:03:33.1", "pi3 holds dns: pi2 lost its majority, nobody answered for 171 ms"),
    ),
)
STARTING = ClusterSnapshot(
    cluster="home",
    clock="12:00:01",
    nodes=tuple(
        NodeView(name, Role.MEMBER, voter=True, state=NodeState.STARTING, note="not heard yet") for name in VOTERS[:3]
    ),
    addresses=(replace(WEB, holder=None, held_for_s=None, lease_left_ms=0, last_move=None),),
    quorum=QuorumView(("pi1", "pi2", "pi3"), (), 2),
    notices=("The kernel module nf_tables is missing: an agent that hangs keeps answering. Install linux-modules-extra.",),
)


def stack(size: int) -> ClusterSnapshot:
    """A larger stack: the first five vote, one node holds, one is silent, one is on standby, one has a long name."""
    nodes = [node(number, voter=number <= 5) for number in range(1, size + 1)]
    nodes[1] = replace(nodes[1], state=NodeState.HOLDER, holds=("web", "dns"))
    nodes[3] = replace(_silent(4, 3_700.0), name="pi4-with-a-name-that-never-seems-to-end")
    nodes[size - 2] = replace(nodes[size - 2], state=NodeState.STANDBY, note="on standby since yesterday, for its new fan")
    voters = tuple(member.name for member in nodes[:5])
    return replace(
        HEALTHY,
        nodes=tuple(nodes),
        addresses=(replace(WEB, holder="pi2", address="2001:db8:1234:5678:9abc:def0:1234:5678"), replace(DNS, holder="pi2")),
        quorum=QuorumView(voters, tuple(name for name in voters if name != nodes[3].name), 3),
    )


SCENES: Mapping[str, ClusterSnapshot] = {
    "healthy": HEALTHY,
    "silent": SILENT,
    "no-quorum": NO_QUORUM,
    "standby": STANDBY,
    "partition": PARTITION,
    "starting": STARTING,
    "ten": stack(10),
    "twenty": stack(20),
}


def show(panel: Panel) -> None:
    """Look at one panel: every scene, as wide as this terminal."""
    console = Console()
    frame = Frame(console.width)
    for name, snapshot in SCENES.items():
        console.print(f"[{name}]", style=QUIET, markup=False, highlight=False)
        console.print(Lines(panel.draw(snapshot, frame, panel.heights(snapshot, frame)[-1])))


class Scenery:
    """The scenes as a source and an operator of the live dashboard: a digit shows the scene of that number."""

    def __init__(self) -> None:
        self._names = tuple(SCENES)
        self._shown = self._names[0]
        self._looks = 0
        self.keys = tuple(Key(str(number), name, f"show “{name}”") for number, name in enumerate(self._names, 1))
        self.prompt = ""

    def snapshot(self) -> ClusterSnapshot:
        """The chosen scene, with leases that run down and are renewed."""
        self._looks += 1
        scene = SCENES[self._shown]
        left_ms = 150.0 - 30 * (self._looks * 7 % 11) / 10
        moving = (replace(floating, lease_left_ms=left_ms if floating.holder else 0.0) for floating in scene.addresses)
        return replace(scene, addresses=tuple(moving))

    def press(self, key: str) -> None:
        if key.isdecimal() and 1 <= int(key) <= len(self._names):
            self._shown = self._names[int(key) - 1]
