"""What the cluster looks like at one moment: the value that the dashboard draws and `picluster status` prints.

Ages and durations are in seconds or milliseconds as the names say, counted back from the moment the snapshot was taken, so
that drawing needs no clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from picluster.model.events import Severity
from picluster.model.inventory import Role


class NodeState(enum.Enum):
    """The one word that a person wants to know of a node; `picluster.lights` gives each its colour and pattern."""

    HOLDER = "holder"
    """Holds at least one floating address."""
    READY = "ready"
    """Alive, fit, and could take over."""
    WITNESS = "witness"
    """Alive and voting; never holds."""
    STANDBY = "standby"
    """Alive, told not to hold."""
    DEGRADED = "degraded"
    """Alive, but unfit or badly connected."""
    NO_QUORUM = "no-quorum"
    """Alive, and hears no majority of the voters."""
    STARTING = "starting"
    """Expected, never heard yet, or heard and not yet believed."""
    LEFT = "left"
    """Said goodbye."""
    SILENT = "silent"
    """Was heard, and is not any more."""


class Health(enum.Enum):
    HEALTHY = "healthy"
    """Every address is held, every node is alive, a voter may fail."""
    DEGRADED = "degraded"
    """Every address is held, yet something is missing."""
    DOWN = "down"
    """An address is not held."""


@dataclass(frozen=True, slots=True)
class NodeView:
    name: str
    role: Role
    voter: bool
    state: NodeState
    endpoint: str = ""
    """Where its datagrams come from, `192.168.1.11:7654`; empty where it was never heard."""
    heard_s: float | None = None
    """Age of the last heartbeat; None: never heard."""
    round_trip_ms: float | None = None
    loss_to_percent: int | None = None
    """Of what others send to this node, the worst link's loss."""
    loss_from_percent: int | None = None
    """Of what this node sends to others, the worst link's loss."""
    holds: tuple[str, ...] = ()
    epoch: int | None = None
    version: str = ""
    note: str = ""
    uptime_s: float | None = None


@dataclass(frozen=True, slots=True)
class MoveView:
    """The last time that an address changed hands."""

    previous: str
    holder: str
    cause: str
    """A `picluster.model.messages.Cause` value, such as `silence`."""
    outage_ms: float
    ago_s: float


@dataclass(frozen=True, slots=True)
class FloatingView:
    name: str
    address: str
    candidates: tuple[str, ...]
    holder: str | None
    """None: nobody holds it."""
    held_for_s: float | None = None
    lease_ms: float = 0.0
    lease_left_ms: float = 0.0
    last_move: MoveView | None = None


@dataclass(frozen=True, slots=True)
class QuorumView:
    voters: tuple[str, ...]
    alive: tuple[str, ...]
    needed: int
    tie_breaker: bool = False

    @property
    def held(self) -> bool:
        return len(self.alive) + self.tie_breaker >= self.needed

    @property
    def may_fail(self) -> int:
        """How many more voters may fail before the addresses go."""
        return max(0, len(self.alive) + self.tie_breaker - self.needed)


@dataclass(frozen=True, slots=True)
class EventView:
    clock: str
    """Local wall-clock time, `12:03:41.2`."""
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class ClientView:
    """What the client of the demo sees: the only judge of an outage."""

    answered_by: str
    """Who answered last; empty where nobody does now."""
    sent: int
    lost: int
    rate: int
    """Requests a second."""
    double_ms: float
    """Milliseconds in which two nodes answered, since the start."""
    recent: str = ""
    """The last result in plain words: `pi1 → pi3 in 143 ms, 141 of 1,000 requests lost`."""


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    cluster: str
    clock: str
    """Local wall-clock time at which it was taken, `12:03:41`."""
    nodes: tuple[NodeView, ...]
    addresses: tuple[FloatingView, ...]
    quorum: QuorumView
    events: tuple[EventView, ...] = ()
    """Oldest first."""
    client: ClientView | None = None
    notices: tuple[str, ...] = ()
    """What is not covered, or not possible, in plain words."""

    @property
    def health(self) -> Health:
        if any(floating.holder is None for floating in self.addresses) or not self.quorum.held:
            return Health.DOWN
        calm = {NodeState.HOLDER, NodeState.READY, NodeState.WITNESS}
        if any(node.state not in calm for node in self.nodes):
            return Health.DEGRADED
        return Health.HEALTHY
