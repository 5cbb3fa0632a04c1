"""What nodes say to each other, as frozen values. `picluster.wire` turns them into sealed datagrams and back.

An `Envelope` is one datagram: who sends it, which run of its agent (incarnation), the how-manieth to this receiver, and
one message. Durations are whole microseconds; no absolute time ever crosses the wire, since no two clocks agree.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from picluster.model.inventory import Role


class Cause(enum.Enum):
    """Why a floating address came to its holder."""

    FIRST = "first"
    """Nobody was known to hold it before."""
    SILENCE = "silence"
    """The holder before it fell silent: power, cable, crash, hang."""
    STOPPED = "stopped"
    """The holder before it was stopped on purpose."""
    STANDBY = "standby"
    UNFIT = "unfit"
    """The holder before it found itself unfit, such as without a link."""
    MOVED = "moved"
    """Somebody asked for it."""
    FAILBACK = "failback"
    EXPIRED = "expired"
    """The holder before it lost its majority and let go by itself."""


class RefusalReason(enum.Enum):
    HELD = "held"
    """A grant to another holder is live."""
    RESTARTED = "restarted"
    """The voter may have forgotten grants and waits until they have run out."""
    EPOCH = "epoch"
    """The claim was made under a configuration that the voter must not serve."""
    TERM = "term"
    """The claim asks for more than the longest lease."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A candidate asks the voters for the lease of an address, or renews it. `ask` only asks whether they would."""

    address: str
    number: int
    """Counts this incarnation's claims for this address; a grant names it."""
    term_us: int
    epoch: int
    ask: bool = False
    cause: Cause = Cause.FIRST


@dataclass(frozen=True, slots=True)
class Grant:
    """A voter says yes to the claim of this number (or, to an ask, that it would)."""

    address: str
    number: int
    ask: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A voter says no, and how much longer it has to."""

    address: str
    number: int
    reason: RefusalReason
    holder: str = ""
    """Who holds the live grant, for `HELD`; else empty."""
    remaining_us: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """A holder has stopped answering, or a candidate takes its claims back: grants to this incarnation end now."""

    address: str
    number: int
    """Claims up to this number are void, even those that arrive later."""
    successor: str = ""
    """Who should claim at once; empty where nobody is fit."""
    cause: Cause = Cause.STOPPED


@dataclass(frozen=True, slots=True)
class Held:
    """An address that the sender of a heartbeat holds right now."""

    address: str
    lease_left_us: int
    held_for_us: int
    previous: str
    """Who held it before; empty where nobody was known to."""
    cause: Cause
    outage_us: int
    """How long nobody can have held it before, as far as the holder knows; 0 for the first holder."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the sender of a heartbeat hears of one peer."""

    node: str
    sequence: int
    """The highest sequence number heard."""
    age_us: int
    """How long ago that was."""
    loss_percent: int
    """Of the peer's latest datagrams, how many did not arrive; 0 to 100."""
    round_trip_us: int
    """Measured by the sender; 0 where it is not known yet."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Who I am and what I see. Informs; decides nothing but the order of rank among candidates."""

    role: Role
    epoch: int
    fit: bool
    standby: bool
    leaving: bool
    """The last word of an agent that stops on purpose."""
    uptime_us: int
    version: str
    challenge: int
    """A random number that a new incarnation of the receiver must echo before it is believed."""
    note: str = ""
    """Why it is unfit or degraded, in plain words."""
    holds: tuple[Held, ...] = ()
    hearings: tuple[Hearing, ...] = ()


Message = Heartbeat | Claim | Grant | Refusal | Release


@dataclass(frozen=True, slots=True)
class Envelope:
    """One datagram's content, from one incarnation of a node to one receiver."""

    sender: str
    incarnation: int
    """One run of the sender's agent: random, 64 bits."""
    receiver: str
    sequence: int
    """Counts this incarnation's datagrams to this receiver, from 1."""
    echo: int
    """The receiver's latest challenge; 0 where none was heard."""
    message: Message
