"""One link to one peer: is this datagram to be believed, where does the peer live, how good is the way in both directions?

Belief. Every run of an agent is an *incarnation*, a random number. A datagram of the incarnation that is believed is taken
if its sequence number was not seen before. Another incarnation is believed only when it echoes the challenge that this node
sends in its heartbeats; the challenge is drawn anew whenever a belief changes, so an old recording never fits again.
Nothing is stored of a datagram that is not believed, with one exception: while the peer is not there as far as is known, the
datagram's challenge is echoed and its source is tried, since somebody has to begin.

    pi1 (just started)                                  pi2 (just started)
      heartbeat, challenge 17, echo –          ───▶     believes nobody yet: will echo 17
      believes pi2: it echoed 17               ◀───     heartbeat, challenge 42, echo 17
      heartbeat, challenge 17', echo 42        ───▶     believes pi1

Place. A believed datagram's source is where the peer lives from now on (as in WireGuard's roaming), so a peer whose address
changes is followed with its first datagram. While it is silent, heartbeats go wherever mDNS or the inventory say it may be.

Order. Datagrams overtake each other. Place, age and heartbeat are those of the highest sequence number; what arrives after
it was sent earlier, and is good for its message only.

Quality. Heartbeats carry, for every peer, the highest sequence number heard, how long ago, and what is missing. With the
sending times that this node keeps, that gives the round trip and the loss of each direction without synchronised clocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from picluster.membership.window import ReplayWindow
from picluster.model.endpoint import Endpoint
from picluster.model.membership import PeerView
from picluster.model.messages import Envelope, Hearing, Heartbeat

SENDING_TIMES_KEPT = 256
MOST_HINTS = 8
ROUND_TRIP_WEIGHT = 0.2
"""Of a new measurement, in the smoothed round trip."""
SILENT_AFTER_HEARTBEATS = 5
"""A peer is called silent after so many heartbeats that did not come: at 20 % loss once in 3,000."""


class Link:
    """What this node knows of one peer. Times are nanoseconds of this node's clock."""

    def __init__(self, peer: str, configured: Endpoint | None, silent_ns: int, chance: Random) -> None:
        self.peer = peer
        self.configured = configured
        """Where the inventory says that it is; None where it does not say."""
        self.silent_ns = silent_ns
        """How long it may be unheard before it counts as silent."""
        self.incarnation: int | None = None
        """The run of the peer's agent that is believed; None: none yet."""
        self.endpoint: Endpoint | None = None
        """Where its newest believed datagram came from."""
        self.heard_ns: int | None = None
        """When that one came."""
        self.heartbeat: Heartbeat | None = None
        """The newest believed heartbeat."""
        self.heartbeat_ns = 0
        self.round_trip_ns = 0
        self.loss_to_percent: int | None = None
        """Of what this node sends to the peer, as the peer says."""
        self.well_since_ns = 0
        self.twin_ns: int | None = None
        """When two incarnations last took turns: two machines run under the peer's name."""
        self._hints: tuple[Endpoint, ...] = ()
        self._caller: Endpoint | None = None
        """Where something came from that may be the peer's and was not believed."""
        self._chance = chance
        self._window = ReplayWindow()
        self._sequence = 0
        self._sent_ns: dict[int, int] = {}
        self._challenge = self._draw()
        self._echo = 0
        self._retired: list[int] = []

    # ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def challenge(self) -> int:
        """What a new incarnation of the peer must echo to be believed."""
        return self._challenge

    @property
    def echo(self) -> int:
        """The peer's own challenge, as last heard."""
        return self._echo

    def next_sequence(self, now_ns: int) -> int:
        """The number of the next datagram to the peer; its sending time is kept for measuring the round trip."""
        self._sequence += 1
        self._sent_ns[self._sequence] = now_ns
        self._sent_ns.pop(self._sequence - SENDING_TIMES_KEPT, None)
        return self._sequence

    def hint(self, endpoints: Iterable[Endpoint]) -> None:
        """Where mDNS says that the peer may be."""
        self._hints = tuple(endpoints)[:MOST_HINTS]

    def targets(self, now_ns: int, *, search: bool) -> tuple[Endpoint, ...]:
        """Where to send: to where it lives; with `search`, while it is silent, to every place where it may be."""
        if not search or self.is_heard(now_ns):
            return (self.endpoint,) if self.endpoint is not None else ()
        places = (self.endpoint, self.configured, self._caller, *self._hints)
        return tuple(dict.fromkeys(place for place in places if place is not None))

    # ── receiving ───────────────────────────────────────────────────────────────────────────────────────────────────

    def accept(self, now_ns: int, source: Endpoint, envelope: Envelope) -> str:
        """Empty where the datagram is to be believed; else the name of the counter that it goes to."""
        if envelope.incarnation == self.incarnation:
            newest = self._window.newest
            if not self._window.accept(envelope.sequence):
                return "replayed"
            if envelope.sequence < newest:
                return ""
        elif envelope.echo == self._challenge:
            self._believe(now_ns, envelope)
        else:
            if isinstance(envelope.message, Heartbeat) and not self.is_heard(now_ns):
                self._caller, self._echo = source, envelope.message.challenge
            return "not-believed"
        if self.heard_ns is not None and now_ns - self.heard_ns > self.silent_ns:
            self.well_since_ns = now_ns
        self.heard_ns, self.endpoint = now_ns, source
        if isinstance(envelope.message, Heartbeat):
            self._take_heartbeat(now_ns, envelope.message)
        return ""

    def learn_hearing(self, now_ns: int, hearing: Hearing) -> None:
        """The peer says what it last heard of this node."""
        self.loss_to_percent = hearing.loss_percent
        sent_ns = self._sent_ns.get(hearing.sequence)
        if sent_ns is None:
            return
        measured_ns = max(0, now_ns - sent_ns - hearing.age_us * 1_000)
        known = self.round_trip_ns
        self.round_trip_ns = round(known + ROUND_TRIP_WEIGHT * (measured_ns - known)) if known else measured_ns

    def _believe(self, now_ns: int, envelope: Envelope) -> None:
        if self.incarnation is not None:
            self._retired = [*self._retired[-7:], self.incarnation]
            if envelope.incarnation in self._retired:
                self.twin_ns = now_ns
        self.incarnation = envelope.incarnation
        self._caller = None
        self._window = ReplayWindow()
        self._window.accept(envelope.sequence)
        self._challenge = self._draw()
        self.round_trip_ns, self.loss_to_percent = 0, None
        self.well_since_ns = now_ns
        self.heartbeat = None

    def _take_heartbeat(self, now_ns: int, heartbeat: Heartbeat) -> None:
        before = self.heartbeat
        was_well = before is not None and before.fit and not before.standby and not before.leaving
        if not was_well or not heartbeat.fit or heartbeat.standby:
            self.well_since_ns = now_ns
        self.heartbeat, self.heartbeat_ns = heartbeat, now_ns
        self._echo = heartbeat.challenge

    def _draw(self) -> int:
        return self._chance.getrandbits(64) or 1

    # ── judging ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def loss_from_percent(self) -> int | None:
        """Of what the peer sends to this node."""
        return self._window.loss_percent if self.incarnation is not None else None

    @property
    def left(self) -> bool:
        """Whether its last word was goodbye."""
        return self.heartbeat is not None and self.heartbeat.leaving

    def is_heard(self, now_ns: int) -> bool:
        """Whether it is there: heard not long ago, and not with a goodbye."""
        return self.heard_ns is not None and now_ns - self.heard_ns <= self.silent_ns and not self.left

    def view(self, now_ns: int) -> PeerView | None:
        """The peer as the failover rules see it; None where it is not there."""
        if self.heartbeat is None or not self.is_heard(now_ns):
            return None
        holds = frozenset(held.address for held in self.heartbeat.holds)
        return PeerView(self.heartbeat.fit, self.heartbeat.standby, holds, self.well_since_ns)

    def hearing(self, now_ns: int) -> Hearing | None:
        """What to tell everybody about how this node hears the peer; None where there is nothing to tell."""
        if self.incarnation is None or self.heard_ns is None:
            return None
        age_us = (now_ns - self.heard_ns) // 1_000
        return Hearing(self.peer, self._window.newest, age_us, self._window.loss_percent, self.round_trip_ns // 1_000)


def silent_after_ns(heartbeat_ns: int) -> int:
    """How long a peer may be unheard before it is called silent, in nanoseconds."""
    return SILENT_AFTER_HEARTBEATS * heartbeat_ns
