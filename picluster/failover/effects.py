"""What the failover rules want done. A list of effects is obeyed from first to last, and no later one before an earlier one:
the address stops answering before its release is sent, and that order is part of the safety argument.
"""

from __future__ import annotations

from dataclasses import dataclass

from picluster.model.events import Event
from picluster.model.messages import Claim, Grant, Refusal, Release


@dataclass(frozen=True, slots=True)
class Send:
    """Send to a peer, once; losing it is allowed. A release goes to this node itself as well, whose own vote is set free by
    it: hand that one back to `Member.receive` when its turn comes."""

    to: str
    message: Claim | Grant | Refusal | Release


@dataclass(frozen=True, slots=True)
class Hold:
    """Answer for the address until that moment and no longer, or go on answering until then.
    If that cannot be done, tell the member with `could_not_hold`."""

    address: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class LetGo:
    """Stop answering, at once and surely. If it fails, nothing after it in the same list may be obeyed, and the member has
    to be told with `could_not_let_go`."""

    address: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the neighbours where the address is, unless that moment has passed by now."""

    address: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the wire whether a foreign machine has the address; tell the member with `foreign_claim` if so."""

    address: str


@dataclass(frozen=True, slots=True)
class AskGateway:
    """Ask the gateway for its hardware address on this address's interface; tell the member with `gateway_answered`."""

    address: str
    number: int


@dataclass(frozen=True, slots=True)
class RememberTerm:
    """Write down, for a restart within this boot, that grants of this length may be made; then call `term_remembered`."""

    term_us: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell people."""

    event: Event


Effect = Send | Hold | LetGo | Announce | Probe | AskGateway | RememberTerm | Tell
