"""What a node believes of its peers, as the heartbeats tell it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeerView:
    """One peer, seen from here. It sets the order among candidates and nothing else: safety never rests on it."""

    fit: bool
    """Whether it says that it could hold an address; False once it has said goodbye."""
    standby: bool
    holds: frozenset[str]
    """The addresses that its last heartbeat claimed to hold."""
    well_since_ns: int
    """Since when it has been heard, fit and not on standby, without a gap."""
