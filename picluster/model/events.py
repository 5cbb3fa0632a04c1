"""What an agent has to tell people: one frozen value per happening, with its reason and how long it took."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class EventKind(enum.Enum):
    STARTED = "started"
    STOPPED = "stopped"
    TOOK = "took"
    """This node holds the address from now on."""
    LOST = "lost"
    """The lease ran out unrenewed; this node has let go."""
    RELEASED = "released"
    """This node let go on purpose."""
    RESTORED = "restored"
    """Something else had removed the address while the lease held; it is back."""
    CONFLICT = "conflict"
    """A foreign machine claims the address."""
    PEER_UP = "peer-up"
    PEER_DOWN = "peer-down"
    PEER_MOVED = "peer-moved"
    """A peer's datagrams come from another address now."""
    TWIN = "twin"
    """Two machines run under one node name."""
    QUORUM_LOST = "quorum-lost"
    QUORUM_REGAINED = "quorum-regained"
    FITNESS = "fitness"
    RECONFIGURED = "reconfigured"
    NOT_COVERED = "not-covered"
    """A protection that this machine cannot give."""


class Severity(enum.Enum):
    INFO = "info"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Event:
    """One happening. `text` is the sentence for people; the other fields are for programs."""

    kind: EventKind
    severity: Severity
    text: str
    address: str = ""
    node: str = ""
    """The other node concerned: the holder before, the successor, the peer."""
    reason: str = ""
    took_ms: float | None = None
