"""What happened between two looks at the cluster, in plain words. Pure.

An observer is told no events, only states; but whoever compares two states can tell the story.
"""

from __future__ import annotations

from collections.abc import Iterator

from picluster.model.events import Severity
from picluster.model.messages import Cause
from picluster.model.snapshot import ClusterSnapshot, FloatingView, MoveView, NodeState, NodeView

_CAUSES = {
    Cause.FIRST.value: "nobody held it before",
    Cause.SILENCE.value: "{previous} fell silent",
    Cause.STOPPED.value: "{previous} was stopped",
    Cause.STANDBY.value: "{previous} was put on standby",
    Cause.UNFIT.value: "{previous} was unfit",
    Cause.MOVED.value: "it was asked for",
    Cause.FAILBACK.value: "{holder} is preferred and back",
    Cause.EXPIRED.value: "{previous} lost its majority",
}

_STATES = {
    NodeState.STANDBY: (Severity.INFO, "is on standby"),
    NodeState.DEGRADED: (Severity.WARNING, "is unfit: {note}"),
    NodeState.NO_QUORUM: (Severity.BAD, "hears no majority of the voters"),
    NodeState.LEFT: (Severity.INFO, "was stopped"),
    NodeState.SILENT: (Severity.BAD, "is silent: no power, no network, or hung"),
}
JUST_NOW_S = 1.0
"""A move no longer ago than this happened before the eyes even of somebody who is just arriving."""
A_WHILE_MS = 10_000
"""From here on an outage is told in seconds."""
_WELL = (NodeState.HOLDER, NodeState.READY, NodeState.WITNESS)
_AWAY = (NodeState.SILENT, NodeState.LEFT, NodeState.STARTING)


class Narrator:
    """Compares each snapshot with the one before."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeView] = {}
        self._floats: dict[str, FloatingView] = {}
        self._quorum = True

    def compare(self, snapshot: ClusterSnapshot, *, arriving: bool = False) -> list[tuple[Severity, str]]:
        """The news since the last call. While an observer is `arriving`, nodes that come up and addresses that are
        held are no news: they were there."""
        news = [
            *self._nodes_news(snapshot, arriving),
            *self._floating_news(snapshot, arriving),
            *self._quorum_news(snapshot, arriving),
        ]
        self._nodes = {node.name: self._remembered(node) for node in snapshot.nodes}
        self._floats = {
            floating.name: floating if floating.holder else self._floats.get(floating.name, floating)
            for floating in snapshot.addresses
        }
        self._quorum = snapshot.quorum.held
        return news

    def _remembered(self, node: NodeView) -> NodeView:
        """Who comes back is starting for a moment, and is told of when it is here."""
        before = self._nodes.get(node.name, node)
        return before if node.state is NodeState.STARTING and before.state in _AWAY else node

    def _nodes_news(self, snapshot: ClusterSnapshot, arriving: bool) -> Iterator[tuple[Severity, str]]:
        for node in snapshot.nodes:
            before = self._nodes.get(node.name)
            if before is None or before.state is node.state:
                continue
            if node.state in _STATES:
                severity, words = _STATES[node.state]
                yield severity, f"{node.name} {words.format(note=node.note or 'it does not say why')}"
            elif before.state in _AWAY and node.state not in _AWAY and not arriving:
                yield Severity.INFO, f"{node.name} is here" if before.state is NodeState.STARTING else f"{node.name} is back"
            elif before.state not in _WELL and before.state not in _AWAY:
                yield Severity.INFO, f"{node.name} is well again"

    def _floating_news(self, snapshot: ClusterSnapshot, arriving: bool) -> Iterator[tuple[Severity, str]]:
        for floating in snapshot.addresses:
            before = self._floats.get(floating.name)
            if before is None or floating.holder == before.holder or floating.last_move is None:
                continue
            if not arriving or floating.last_move.ago_s < JUST_NOW_S:
                yield Severity.INFO, told_move(floating)

    def _quorum_news(self, snapshot: ClusterSnapshot, arriving: bool) -> Iterator[tuple[Severity, str]]:
        quorum = snapshot.quorum
        if quorum.held == self._quorum or arriving:
            return
        count = f"{len(quorum.alive)} of {len(quorum.voters)} voters are here, {quorum.needed} are needed"
        yield (Severity.INFO, f"quorum again: {count}") if quorum.held else (Severity.BAD, f"no quorum: {count}")


def told_move(floating: FloatingView) -> str:
    """The last move of an address as a sentence: `web → pi3 after 148 ms: pi1 fell silent`."""
    move = floating.last_move
    if move is None:
        return f"{floating.name}: nobody holds it"
    outage = f"{move.outage_ms:.0f} ms" if move.outage_ms < A_WHILE_MS else f"{move.outage_ms / 1e3:.1f} s"
    after = f" after {outage}" if move.previous else ""
    return f"{floating.name} → {move.holder}{after}: {told_cause(move)}"


def told_cause(move: MoveView) -> str:
    """Why the address moved. A cause that this version does not know is told as it came."""
    words = _CAUSES.get(move.cause)
    return move.cause if words is None else words.format(previous=move.previous or "the holder before", holder=move.holder)
