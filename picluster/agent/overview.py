"""The whole cluster as one node sees it: from everybody's latest heartbeat to one `ClusterSnapshot`. Pure.

Every node hears every heartbeat, so any of them, and any observer, can tell the whole story.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from picluster.model.inventory import FloatingAddress, Inventory, Node
from picluster.model.messages import Hearing, Heartbeat, Held
from picluster.model.snapshot import ClusterSnapshot, EventView, FloatingView, MoveView, NodeState, NodeView, QuorumView

ARRIVAL_US = 3_000_000
"""An agent that has just begun need not know anybody yet."""


@dataclass(frozen=True, slots=True)
class Testimony:
    """What is known of one node at the moment of looking."""

    heartbeat: Heartbeat | None
    """Its latest; None where it was never heard."""
    age_ns: int = 0
    """Of that heartbeat."""
    silent: bool = False
    heard_age_ns: int | None = None
    """Of its last datagram of any kind."""
    endpoint: str = ""
    round_trip_ns: int = 0


def take_snapshot(
    inventory: Inventory,
    testimonies: Mapping[str, Testimony],
    silent_ns: int,
    clock: str,
    events: Sequence[EventView] = (),
    notices: Sequence[str] = (),
) -> ClusterSnapshot:
    """`silent_ns` is how old a hearing may be to count; `clock` the local time of day, in text."""
    looker = _Looker(inventory, testimonies, silent_ns)
    return ClusterSnapshot(
        cluster=inventory.cluster,
        clock=clock,
        nodes=tuple(looker.node(node) for node in inventory.nodes),
        addresses=tuple(looker.floating(floating) for floating in inventory.configuration.addresses),
        quorum=looker.quorum(),
        events=tuple(events),
        notices=tuple(notices),
    )


class _Looker:
    def __init__(self, inventory: Inventory, testimonies: Mapping[str, Testimony], silent_ns: int) -> None:
        self.inventory = inventory
        self.testimonies = testimonies
        self.silent_us = silent_ns // 1_000
        self.voters = inventory.configuration.voters

    def node(self, node: Node) -> NodeView:
        testimony = self.testimonies.get(node.name, Testimony(None))
        heartbeat = testimony.heartbeat
        heard_s = None if testimony.heard_age_ns is None else testimony.heard_age_ns / 1e9
        state = self._state(node, testimony)
        if heartbeat is None:
            return NodeView(node.name, node.role, node.name in self.voters, state, heard_s=heard_s)
        there = self._is_there(testimony)
        return NodeView(
            name=node.name,
            role=node.role,
            voter=node.name in self.voters,
            state=state,
            endpoint=testimony.endpoint,
            heard_s=heard_s,
            round_trip_ms=(testimony.round_trip_ns / 1e6 or None) if there else None,
            loss_to_percent=_worst(self._fresh(heartbeat)),
            loss_from_percent=_worst(self._hearings_of(node.name)),
            holds=tuple(held.address for held in heartbeat.holds) if there else (),
            epoch=heartbeat.epoch,
            version=heartbeat.version,
            note=heartbeat.note,
            uptime_s=heartbeat.uptime_us / 1e6 if there else None,
        )

    def floating(self, floating: FloatingAddress) -> FloatingView:
        view = FloatingView(floating.name, str(floating.address), floating.candidate_names, None)
        found = self._holder(floating.name)
        if found is None:
            return view
        name, held, age_us = found
        held_s = (held.held_for_us + age_us) / 1e6
        move = MoveView(held.previous, name, held.cause.value, held.outage_us / 1e3, held_s)
        lease_ms = float(self.inventory.configuration.timing.lease_ms)
        return FloatingView(
            floating.name,
            str(floating.address),
            floating.candidate_names,
            holder=name,
            held_for_s=held_s,
            lease_ms=lease_ms,
            # As the holder told it with its last heartbeat; it renews several times between two of them.
            lease_left_ms=min(lease_ms, held.lease_left_us / 1e3),
            last_move=move,
        )

    def quorum(self) -> QuorumView:
        alive = tuple(voter for voter in self.voters if self._is_there(self.testimonies.get(voter, Testimony(None))))
        configuration = self.inventory.configuration
        return QuorumView(self.voters, alive, configuration.majority, configuration.tie_breaker)

    def _state(self, node: Node, testimony: Testimony) -> NodeState:
        heartbeat = testimony.heartbeat
        if heartbeat is None:
            return NodeState.STARTING
        if heartbeat.leaving:
            return NodeState.LEFT
        if testimony.silent:
            return NodeState.SILENT
        if heartbeat.holds:
            return NodeState.HOLDER
        if not self._hears_majority(node.name, heartbeat):
            return NodeState.NO_QUORUM if heartbeat.uptime_us > ARRIVAL_US else NodeState.STARTING
        if heartbeat.standby:
            return NodeState.STANDBY
        if not heartbeat.fit:
            return NodeState.DEGRADED
        candidate = any(floating.priority_of(node.name) is not None for floating in self.inventory.configuration.addresses)
        return NodeState.READY if candidate else NodeState.WITNESS

    def _hears_majority(self, name: str, heartbeat: Heartbeat) -> bool:
        heard = {hearing.node for hearing in self._fresh(heartbeat)} | {name}
        configuration = self.inventory.configuration
        return len(heard.intersection(self.voters)) + configuration.tie_breaker >= configuration.majority

    def _holder(self, address: str) -> tuple[str, Held, int] | None:
        """Who says most recently that it holds the address, and how old that word is in microseconds."""
        # Two heartbeats may be lost; beyond that and a lease on top nobody knows of a holder.
        too_old_ns = 3 * self.inventory.heartbeat_ns + self.inventory.configuration.timing.lease_ns
        words = [
            (testimony.age_ns + held.held_for_us * 1_000, name, held, testimony.age_ns // 1_000)
            for name, testimony in self.testimonies.items()
            if testimony.heartbeat is not None and testimony.age_ns <= too_old_ns
            for held in testimony.heartbeat.holds
            if held.address == address
        ]
        # Whoever took it last holds it: the word of the one before is just not withdrawn yet.
        return min(words, key=lambda word: word[0])[1:] if words else None

    def _is_there(self, testimony: Testimony) -> bool:
        return testimony.heartbeat is not None and not testimony.silent and not testimony.heartbeat.leaving

    def _fresh(self, heartbeat: Heartbeat) -> list[Hearing]:
        known = self.inventory.node_names
        return [hearing for hearing in heartbeat.hearings if hearing.age_us <= self.silent_us and hearing.node in known]

    def _hearings_of(self, name: str) -> list[Hearing]:
        return [
            hearing
            for other, testimony in self.testimonies.items()
            if other != name and testimony.heartbeat is not None and not testimony.silent
            for hearing in self._fresh(testimony.heartbeat)
            if hearing.node == name
        ]


def _worst(hearings: Sequence[Hearing]) -> int | None:
    return max((hearing.loss_percent for hearing in hearings), default=None)
