"""How long a lease lasts, how often it is renewed, and what that costs: every timer with its formula and its advice.

A power cut is noticed when the holder's last lease has run out at the voters. The holder dies at a random moment between
two renewals, so with lease T, drift margin m, renewal period R and a round trip r

    shortest outage  = T x (1 + m) - R  + 2 r
    expected outage  = T x (1 + m) - R/2 + 2 r
    longest outage   = T x (1 + m)      + 2 r

(one round trip for the question whether a majority would grant, one for the claim itself). The cost is paid by the
holder, which asks a majority at a time: (voters - 1 + candidates that do not vote / 2) / R datagrams a second for each
address, replies included. More than that it costs to wake up, twice for each renewal: so R is as long as it may be.

An unwanted move needs every attempt in what a renewal leaves of a lease to fail. An unanswered one is repeated after
`retry_ms`, so at random loss p in both directions about (T - R) / retry_ms rounds must fail in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

NANOSECONDS_PER_MS = 1_000_000
LONGEST_LEASE_MS = 5_000
"""No claim may ask for more: a voter that has forgotten its grants waits this long and the margin on top (ms)."""
MOST_HEARTBEATS_HEARD = 16
"""A second, from all peers together."""
DRIFT_RATIO = 0.01
"""How much faster one clock may run than another. Crystal and NTP slewing together stay below 0.1 %."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The timers of a cluster, in milliseconds. `picluster.model.timing` has the formulas."""

    lease_ms: int = 175
    """T: how long a confirmed claim entitles the holder to answer. Shorter: quicker takeover. Longer: calmer when loaded."""
    renewal_ms: int = 70
    """R: time between two renewals, at most 2/5 T. A lost one is not waited for: it is repeated after `retry_ms`, so what is
    between R and T is for retries. Longer: cheaper, and the address is back sooner on average. Shorter: a holder that is
    kept from running may be late by T - R."""
    retry_ms: int = 10
    """An unanswered renewal is sent again after this; longer than a round trip, at most R."""
    heartbeat_ms: int = 300
    """Time between two heartbeats to each peer. Heartbeats inform, they never decide: a few a second are enough."""
    rank_step_ms: int = 4
    """How much longer the second in rank waits before it claims; longer than two round trips, else they collide."""
    settle_ms: int = 30_000
    """With failback, how long the preferred node must have been well before the address goes back to it."""
    probe_ms: int = 300
    """How long a new address is looked for on the wire before it is used for the first time."""

    @property
    def lease_ns(self) -> int:
        return self.lease_ms * NANOSECONDS_PER_MS

    @property
    def grant_ns(self) -> int:
        """What a voter counts: the lease and the drift margin on top."""
        return grant_length_ns(self.lease_ns)

    @property
    def renewal_ns(self) -> int:
        return self.renewal_ms * NANOSECONDS_PER_MS

    @property
    def retry_ns(self) -> int:
        return self.retry_ms * NANOSECONDS_PER_MS

    @property
    def heartbeat_ns(self) -> int:
        return self.heartbeat_ms * NANOSECONDS_PER_MS

    @property
    def rank_step_ns(self) -> int:
        return self.rank_step_ms * NANOSECONDS_PER_MS

    @property
    def settle_ns(self) -> int:
        return self.settle_ms * NANOSECONDS_PER_MS

    @property
    def probe_ns(self) -> int:
        return self.probe_ms * NANOSECONDS_PER_MS

    @property
    def longest_renewal_ms(self) -> int:
        """Everybody hears of every second renewal (`picluster.failover.renewing`), and twice this is well within a lease."""
        return self.lease_ms * 2 // 5

    def expected_outage_ms(self, round_trip_ms: float = 1.0) -> float:
        """The mean outage after a power cut."""
        return self.lease_ms * (1 + DRIFT_RATIO) - self.renewal_ms / 2 + 2 * round_trip_ms

    def longest_outage_ms(self, round_trip_ms: float = 1.0) -> float:
        """The longest outage after a power cut, if the first in rank is alive and no datagram is lost."""
        return self.lease_ms * (1 + DRIFT_RATIO) + 2 * round_trip_ms

    def datagrams_per_second(self, voters: int, candidates_only: int = 0) -> float:
        """Renewal datagrams a second on the wire for one held address, replies included: of an odd number of voters, as the
        inventory asks for, half of the others are asked each time."""
        return (voters - 1 + candidates_only / 2) * 1_000 / self.renewal_ms


def heartbeat_interval_ns(timing: Timing, nodes: int) -> int:
    """Time between two heartbeats to each peer, in nanoseconds. In large clusters it stretches, so that no node hears more
    than `MOST_HEARTBEATS_HEARD` a second: what it costs a node does not grow with the number of nodes."""
    return max(timing.heartbeat_ns, (nodes - 1) * 1_000_000_000 // MOST_HEARTBEATS_HEARD)


def grant_length_ns(term_ns: int) -> int:
    """How long a voter counts a grant for a term, in nanoseconds, rounded up: term and drift margin."""
    return term_ns + -(-term_ns // round(1 / DRIFT_RATIO))


PRESETS: dict[str, Timing] = {
    # One switch, cables, idle or busy Pis: the default.
    "wired": Timing(),
    # Agents with real-time priority on quiet wired nodes, and nothing slower than a millisecond between them.
    "sprint": Timing(lease_ms=32, renewal_ms=10, retry_ms=3, heartbeat_ms=100, rank_step_ms=3),
    # Wi-Fi stalls for hundreds of milliseconds when stations roam or an access point buffers; renewals have to outlive that.
    "wifi": Timing(lease_ms=2_000, renewal_ms=600, retry_ms=100, heartbeat_ms=500, rank_step_ms=25),
}
"""What `failover.preset` in an inventory may name."""
