"""What the voters have said to one candidate: claims sent, grants and refusals received, and what they add up to.

A grant names the number of a claim, and the number leads to the claim's own sending time. So each voter stands by the
candidate until a moment that the candidate knows without trusting any other clock; a majority does until the majority-th
latest of these.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

NEVER_NS = 1 << 62
GATEWAY = "the gateway"
"""The name under which the gateway's answers count as a vote; no node's can be like it."""
CLAIMS_KEPT = 256
"""Answers to claims older than this many are too late to matter."""


@dataclass(frozen=True, slots=True)
class SentClaim:
    """When a claim was sent and the term that it asked for, in nanoseconds of this node's clock."""

    sent_ns: int
    term_ns: int


class Ballot:
    """The state of one candidate's election or lease."""

    def __init__(self) -> None:
        self._claims: dict[int, SentClaim] = {}
        self._granted_until_ns: dict[str, int] = {}
        self._willing: set[str] = set()
        self._free_ns: dict[str, int] = {}
        self._heard_ns: dict[str, int] = {}
        self._asked_ns = -NEVER_NS
        self._asking_since_ns = 0
        """Since when questions and claims have followed each other with no pause as long as a lease."""

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """A new question or a new claim: what was said to the last one is over."""
        self._granted_until_ns.clear()
        self._willing.clear()
        self._free_ns.clear()

    def void_claims(self) -> None:
        """After a release no grant of an earlier claim counts, however late it comes: its voter may have been set free."""
        self._claims.clear()
        self._granted_until_ns.clear()

    def sent(self, number: int, now_ns: int, term_ns: int) -> None:
        if now_ns - self._asked_ns > term_ns:
            self._asking_since_ns = now_ns
        self._asked_ns = now_ns
        self._claims[number] = SentClaim(now_ns, term_ns)
        if len(self._claims) > CLAIMS_KEPT:
            del self._claims[next(iter(self._claims))]

    def heard(self, voter: str, now_ns: int, number: int) -> SentClaim | None:
        """A voter answers; returns the claim that it answers to, or None where that is void or long gone."""
        self._heard_ns[voter] = now_ns
        return self._claims.get(number)

    def would_grant(self, voter: str) -> None:
        self._willing.add(voter)

    def granted(self, voter: str, until_ns: int) -> None:
        self._granted_until_ns[voter] = max(until_ns, self._granted_until_ns.get(voter, 0))

    def refused(self, voter: str, free_ns: int) -> None:
        """`free_ns` is when it may say otherwise; `NEVER_NS` where only another configuration would change its mind."""
        self._willing.discard(voter)
        self._free_ns[voter] = free_ns

    # ── what it adds up to ──────────────────────────────────────────────────────────────────────────────────────────

    def silent(self, voter: str, now_ns: int, limit_ns: int) -> bool:
        """Whether the voter has been asked for longer than that, and has not answered. Whoever has not asked knows nothing:
        a node whose cable is back finds everybody silent, and only because it was deaf itself."""
        return now_ns - max(self._heard_ns.get(voter, -NEVER_NS), self._asking_since_ns) > limit_ns

    def unwilling(self, voters: Sequence[str]) -> list[str]:
        return [voter for voter in voters if voter not in self._willing]

    def would_win(self, voters: Collection[str], majority: int) -> bool:
        return len(self._willing.intersection(voters)) >= majority

    def majority_until_ns(self, voters: Sequence[str], majority: int) -> int:
        """Until when a majority of the voters stands by its grants; 0 while there is no majority."""
        ends = sorted((until for voter in voters if (until := self._granted_until_ns.get(voter))), reverse=True)
        return ends[majority - 1] if len(ends) >= majority else 0

    def free_ns(self, voter: str) -> int:
        """From when on a voter that refused may say yes; `NEVER_NS` where that is not known."""
        return self._free_ns.get(voter, NEVER_NS)

    def majority_free_ns(self, voters: Sequence[str], majority: int, now_ns: int) -> int:
        """From when on a majority of the voters may say yes, as far as is known; whoever has not refused may now."""
        return sorted(self._free_ns.get(voter, now_ns) for voter in voters)[majority - 1]

    def standing(self, voters: Sequence[str], now_ns: int) -> list[str]:
        """The voters that stand by a grant now."""
        return [voter for voter in voters if self._granted_until_ns.get(voter, 0) > now_ns]

    def laggards(self, voters: Sequence[str], until_ns: int) -> list[str]:
        """The voters whose grants do not reach that far."""
        return [voter for voter in voters if self._granted_until_ns.get(voter, 0) < until_ns]
