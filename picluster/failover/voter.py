"""The voter: the half of the rules that says yes or no.

It keeps, for each floating address, at most one live grant. A grant is made when a claim is *received* and counts from
then, for the claim's term and the drift margin on top, so that it outlasts the holder's lease, which counts from when the
claim was *sent*. A voter that has restarted grants nothing until all that it may have granted before has run out.
"""

from __future__ import annotations

from dataclasses import dataclass

from picluster.model.messages import Claim, Grant, Refusal, RefusalReason, Release
from picluster.model.timing import LONGEST_LEASE_MS, grant_length_ns

LONGEST_TERM_US = LONGEST_LEASE_MS * 1_000


def quarantine_ns(longest_term_us: int | None, uptime_ns: int) -> int:
    """How long a voter that starts now must not grant, in nanoseconds.

    Whatever was granted before power-on has run out once this machine has been up for the longest lease and its margin.
    `longest_term_us` is the longest term that was granted in this boot, if an earlier run of the agent wrote one down: that
    one may have been granted just now. An early restart within a boot has to wait for both.
    """
    before_power_on_ns = max(0, grant_length_ns(LONGEST_TERM_US * 1_000) - uptime_ns)
    if longest_term_us is None:
        return before_power_on_ns
    return max(before_power_on_ns, grant_length_ns(longest_term_us * 1_000))


@dataclass(frozen=True, slots=True)
class Holder:
    """A candidate in one incarnation: who restarts is somebody else."""

    node: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class LiveGrant:
    holder: Holder
    number: int
    until_ns: int


class Voter:
    """Grants and refuses. `votes_from_ns` ends its quarantine; `remembered_term_us` is the longest term that it may grant,
    since nothing longer is written down for a restart."""

    def __init__(self, epoch: int, votes_from_ns: int, remembered_term_us: int) -> None:
        self.epoch = epoch
        self.votes_from_ns = votes_from_ns
        self.remembered_term_us = remembered_term_us
        self._grants: dict[str, LiveGrant] = {}
        self._latest: dict[tuple[str, str], tuple[int, int]] = {}

    def live_grant(self, address: str, now_ns: int) -> LiveGrant | None:
        grant = self._grants.get(address)
        return grant if grant is not None and now_ns < grant.until_ns else None

    def consider(self, now_ns: int, holder: Holder, claim: Claim) -> Grant | Refusal | None:
        """The answer to a claim, or None where it deserves none: it is old, repeated, or came after its own release."""
        if not self._is_news(holder, claim.address, claim.number):
            return None
        refusal = self._reason_to_refuse(now_ns, holder, claim)
        if refusal is not None:
            return refusal
        if not claim.ask:
            self._grants[claim.address] = LiveGrant(holder, claim.number, self._stand_by_until_ns(now_ns, holder, claim))
        return Grant(claim.address, claim.number, claim.ask)

    def released(self, holder: Holder, release: Release) -> None:
        """A holder takes its claims back: its grant ends now, and its late claims will find no ear."""
        self._is_news(holder, release.address, release.number)
        grant = self._grants.get(release.address)
        if grant is not None and grant.holder == holder and grant.number <= release.number:
            del self._grants[release.address]

    def grant_end_ns(self, now_ns: int, claim: Claim) -> int:
        return now_ns + grant_length_ns(claim.term_us * 1_000)

    def _stand_by_until_ns(self, now_ns: int, holder: Holder, claim: Claim) -> int:
        """A renewal never shortens what was promised: the term may have shrunk, and the holder counts the longer one."""
        until_ns = self.grant_end_ns(now_ns, claim)
        before = self._grants.get(claim.address)
        return max(until_ns, before.until_ns) if before is not None and before.holder == holder else until_ns

    def remaining_quarantine_ns(self, now_ns: int) -> int:
        return max(0, self.votes_from_ns - now_ns)

    def conflicting_grant(self, now_ns: int, holder: Holder, address: str) -> LiveGrant | None:
        """A live grant to somebody else, the reason for most refusals."""
        grant = self.live_grant(address, now_ns)
        return grant if grant is not None and grant.holder != holder else None

    def _is_news(self, holder: Holder, address: str, number: int) -> bool:
        key = (address, holder.node)
        incarnation, latest = self._latest.get(key, (holder.incarnation, 0))
        if incarnation == holder.incarnation and number <= latest:
            return False
        self._latest[key] = (holder.incarnation, number)
        return True

    def _reason_to_refuse(self, now_ns: int, holder: Holder, claim: Claim) -> Refusal | None:
        if claim.term_us > min(self.remembered_term_us, LONGEST_TERM_US):
            return Refusal(claim.address, claim.number, RefusalReason.TERM)
        # Whoever lives in an older configuration may count a majority that the newer ones no longer meet.
        if not self.epoch <= claim.epoch <= self.epoch + 1:
            return Refusal(claim.address, claim.number, RefusalReason.EPOCH)
        quarantine = self.remaining_quarantine_ns(now_ns)
        if quarantine:
            return Refusal(claim.address, claim.number, RefusalReason.RESTARTED, "", _microseconds_up(quarantine))
        grant = self.conflicting_grant(now_ns, holder, claim.address)
        if grant is not None:
            remaining_us = _microseconds_up(grant.until_ns - now_ns)
            return Refusal(claim.address, claim.number, RefusalReason.HELD, grant.holder.node, remaining_us)
        return None


def _microseconds_up(duration_ns: int) -> int:
    return -(-duration_ns // 1_000)
