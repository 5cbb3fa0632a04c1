"""The voter by itself: what it grants, refuses, ignores and forgets."""

from __future__ import annotations

import dataclasses

from picluster.failover.voter import Holder, Voter, quarantine_ns
from picluster.model.messages import Claim, Grant, Refusal, RefusalReason, Release

MS = 1_000_000
TERM_US = 100_000
CLAIM = Claim("web", 1, TERM_US, epoch=3)
PI1, PI2 = Holder("pi1", 11), Holder("pi2", 22)


def voter(votes_from_ns: int = 0) -> Voter:
    return Voter(epoch=3, votes_from_ns=votes_from_ns, remembered_term_us=TERM_US)


def claim(number: int, **changes: object) -> Claim:
    return dataclasses.replace(CLAIM, number=number, **changes)  # type: ignore[arg-type]  # fields by name


def refusal(answer: object) -> tuple[RefusalReason, str, int]:
    assert isinstance(answer, Refusal)
    return answer.reason, answer.holder, answer.remaining_us


def test_a_free_address_is_granted() -> None:
    assert voter().consider(0, PI1, CLAIM) == Grant("web", 1)


def test_one_that_is_held_is_refused_with_holder_and_time_left() -> None:
    one = voter()
    one.consider(0, PI1, CLAIM)
    assert refusal(one.consider(40 * MS, PI2, CLAIM)) == (RefusalReason.HELD, "pi1", 61_000)
    assert one.consider(101 * MS, PI2, claim(2)) == Grant("web", 2)


def test_the_holder_renews() -> None:
    one = voter()
    one.consider(0, PI1, CLAIM)
    assert one.consider(50 * MS, PI1, claim(2)) == Grant("web", 2)
    assert refusal(one.consider(150 * MS, PI2, CLAIM)) == (RefusalReason.HELD, "pi1", 1_000)


def test_the_same_node_after_a_restart_is_somebody_else() -> None:
    one = voter()
    one.consider(0, PI1, CLAIM)
    assert refusal(one.consider(1, Holder("pi1", 12), CLAIM))[:2] == (RefusalReason.HELD, "pi1")


def test_addresses_are_independent_of_each_other() -> None:
    one = voter()
    one.consider(0, PI1, CLAIM)
    assert one.consider(1, PI2, claim(1, address="dns")) == Grant("dns", 1)


def test_a_question_binds_nobody() -> None:
    one = voter()
    assert one.consider(0, PI1, claim(1, ask=True)) == Grant("web", 1, ask=True)
    assert one.live_grant("web", 0) is None


def test_old_and_repeated_claims_get_no_answer() -> None:
    one = voter()
    one.consider(0, PI1, claim(5))
    assert one.consider(1, PI1, claim(5)) is None
    assert one.consider(1, PI1, claim(4)) is None


def test_a_release_frees_the_address_at_once() -> None:
    one = voter()
    one.consider(0, PI1, claim(5))
    one.released(PI1, Release("web", 5))
    assert one.consider(1, PI2, CLAIM) == Grant("web", 1)


def test_a_claim_that_arrives_after_its_own_release_finds_no_ear() -> None:
    one = voter()
    one.released(PI1, Release("web", 5))
    assert one.consider(1, PI1, claim(5)) is None
    assert one.consider(1, PI1, claim(6)) == Grant("web", 6)


def test_a_release_of_older_claims_does_not_undo_a_newer_grant() -> None:
    one = voter()
    one.consider(0, PI1, claim(6))
    one.released(PI1, Release("web", 5))
    assert refusal(one.consider(1, PI2, CLAIM))[:2] == (RefusalReason.HELD, "pi1")


def test_nobody_releases_what_another_holds() -> None:
    one = voter()
    one.consider(0, PI1, CLAIM)
    one.released(PI2, Release("web", 100))
    one.released(Holder("pi1", 12), Release("web", 100))
    assert one.live_grant("web", 1) is not None


def test_a_shorter_renewal_does_not_shorten_the_promise() -> None:
    one = voter()
    one.consider(0, PI1, CLAIM)
    one.consider(10 * MS, PI1, claim(2, term_us=10_000))
    assert refusal(one.consider(50 * MS, PI2, CLAIM)) == (RefusalReason.HELD, "pi1", 51_000)


def test_after_a_restart_it_says_when_it_will_vote() -> None:
    one = voter(votes_from_ns=70 * MS)
    assert refusal(one.consider(20 * MS, PI1, CLAIM)) == (RefusalReason.RESTARTED, "", 50_000)
    assert one.consider(70 * MS, PI1, claim(2)) == Grant("web", 2)


def test_it_grants_nothing_that_is_not_written_down() -> None:
    one = voter()
    assert refusal(one.consider(0, PI1, claim(1, term_us=TERM_US + 1)))[0] is RefusalReason.TERM
    one.remembered_term_us = 6_000_000
    assert refusal(one.consider(0, PI1, claim(2, term_us=5_000_001)))[0] is RefusalReason.TERM


def test_it_serves_its_own_epoch_and_the_next() -> None:
    answers = {epoch: voter().consider(0, PI1, claim(1, epoch=epoch)) for epoch in (2, 3, 4, 5)}
    assert refusal(answers[2])[0] is RefusalReason.EPOCH
    assert refusal(answers[5])[0] is RefusalReason.EPOCH
    assert isinstance(answers[3], Grant)
    assert isinstance(answers[4], Grant)


def test_quarantine() -> None:
    forgotten_in_power_cut_ns, second_ns = 5_050 * MS, 1_000 * MS
    assert quarantine_ns(None, 0) == forgotten_in_power_cut_ns
    assert quarantine_ns(None, 4 * second_ns) == forgotten_in_power_cut_ns - 4 * second_ns
    assert quarantine_ns(None, 60 * second_ns) == 0
    assert quarantine_ns(150_000, 60 * second_ns) == 151_500_000
    assert quarantine_ns(150_000, 1 * second_ns) == forgotten_in_power_cut_ns - second_ns
