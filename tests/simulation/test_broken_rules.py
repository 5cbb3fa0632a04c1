"""The simulator can see: for each rule that safety rests on, a world in which just that one is broken, and is found out.

A broken rule is a subclass that overrides one small method. Each is tried in worlds with the few kinds of faults under which
it matters, one seed after the other, until the oracle objects; the bound says how many seeds that may take.
"""

from __future__ import annotations

import dataclasses

import pytest

from picluster.failover.ballot import Ballot
from picluster.failover.candidacy import Candidacy
from picluster.failover.effects import Effect, Hold, LetGo
from picluster.failover.member import Member
from picluster.failover.voter import Holder, LiveGrant, Voter
from picluster.model.inventory import Configuration
from picluster.model.messages import Cause, Claim
from picluster.simulated.oracle import Sin
from picluster.simulated.world import World

UNSAFE = (Sin.TWO_HOLDERS, Sin.UNBACKED)


class VoterWithoutMargin(Voter):
    def grant_end_ns(self, now_ns: int, claim: Claim) -> int:
        return now_ns + claim.term_us * 1_000


class NoMargin(Member):
    """A voter counts a grant for the bare term, though its clock may be faster than the holder's."""

    voter_kind = VoterWithoutMargin


class HastyCandidacy(Candidacy):
    def entitled_until_ns(self, _sent_ns: int, term_ns: int, received_ns: int) -> int:
        return received_ns + term_ns


class CountsFromArrival(Member):
    """A holder counts its lease from when the grant came in."""

    candidacy_kind = HastyCandidacy


class ForgetfulVoter(Voter):
    def remaining_quarantine_ns(self, _now_ns: int) -> int:
        return 0


class NoQuarantine(Member):
    """A voter grants at once after a restart."""

    voter_kind = ForgetfulVoter


class GenerousVoter(Voter):
    def conflicting_grant(self, _now_ns: int, _holder: Holder, _address: str) -> LiveGrant | None:
        return None


class TwoGrants(Member):
    """A voter has two live grants for one address."""

    voter_kind = GenerousVoter


class TalkativeCandidacy(Candidacy):
    def silence_then_release(self, now_ns: int, cause: Cause, heir: str) -> None:
        self._release(now_ns, cause, heir)
        self.house.do(LetGo(self.floating.name))


class ReleasesFirst(Member):
    """A holder says that it has released before it has stopped answering."""

    candidacy_kind = TalkativeCandidacy


class AnyStep(Member):
    """A node lives on from one configuration to another whose voters are two apart."""

    @staticmethod
    def check_step(_old: Configuration, _new: Configuration) -> None:
        return


class ClingingBallot(Ballot):
    def void_claims(self) -> None:
        self._granted_until_ns.clear()


class ClingingCandidacy(Candidacy):
    ballot_kind = ClingingBallot


class CountsReleasedClaims(Member):
    """A late grant of a claim that has been released is counted all the same."""

    candidacy_kind = ClingingCandidacy


class TellsTheKernelMore(Member):
    """The kernel is told a longer lease than the voters granted."""

    def do(self, effect: Effect) -> None:
        if isinstance(effect, Hold):
            effect = dataclasses.replace(effect, until_ns=effect.until_ns + self.configuration.timing.lease_ns // 10)
        super().do(effect)


class ShrinkingVoter(Voter):
    def _stand_by_until_ns(self, now_ns: int, _holder: Holder, claim: Claim) -> int:
        return self.grant_end_ns(now_ns, claim)


class ShortensPromises(Member):
    """A renewal for a shorter term cuts short what the voter had promised before."""

    voter_kind = ShrinkingVoter


def seeds_needed(member_kind: type[Member], only: set[str], most: int, sins: tuple[Sin, ...] = UNSAFE) -> int:
    """How many worlds it takes until one of these violations is seen; `most` and one more if it is not."""
    for seed in range(most):
        violations = World(seed, member_kind=member_kind, only=only).run().violations
        if any(violation.sin in sins for violation in violations):
            print(f"{member_kind.__name__}: {violations[0]} (seed {seed})")
            return seed + 1
    return most + 1


CASES = [
    pytest.param(NoMargin, {"one-way cut", "link cut", "pause"}, 60, id="no drift margin"),
    pytest.param(CountsFromArrival, {"delay", "partition"}, 10, id="lease counted from the grant's arrival"),
    pytest.param(NoQuarantine, {"crash", "link cut"}, 60, id="voter grants at once after a restart"),
    pytest.param(TwoGrants, {"partition", "pause"}, 10, id="two live grants at one voter"),
    pytest.param(ReleasesFirst, {"move", "standby", "pause"}, 40, id="release before it has stopped answering"),
    pytest.param(AnyStep, {"wild voters", "partition"}, 40, id="configurations two voters apart"),
    pytest.param(CountsReleasedClaims, {"delay", "move", "standby"}, 60, id="late grant of a released claim counted"),
    pytest.param(TellsTheKernelMore, {"pause"}, 10, id="kernel told a longer lease than was granted"),
    # The rarest of them: it takes dozens of worlds, and so its place among the long tests.
    pytest.param(
        ShortensPromises, {"lease", "pause", "link cut"}, 60, id="renewal shortens a promise", marks=pytest.mark.scenario
    ),
]


@pytest.mark.parametrize(("member_kind", "only", "most"), CASES)
def test_a_broken_rule_is_found_out(member_kind: type[Member], only: set[str], most: int) -> None:
    assert seeds_needed(member_kind, only, most) <= most


def test_the_order_of_letting_go_and_releasing_is_seen_for_itself() -> None:
    assert seeds_needed(ReleasesFirst, {"move", "standby"}, 10, (Sin.SPOKE_TOO_SOON,)) <= 10


def test_two_holders_are_seen_as_such() -> None:
    assert seeds_needed(AnyStep, {"wild voters", "partition"}, 40, (Sin.TWO_HOLDERS,)) <= 40
