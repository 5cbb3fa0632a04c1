"""Who is asked to renew a lease, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picluster.failover.renewing import Pulse, committee

VOTERS = ("pi1", "pi2", "pi3", "pi4", "pi5")
beats = st.integers(0, 1 << 40)


@given(beats, st.sets(st.sampled_from(VOTERS)), st.sampled_from((*VOTERS, "pi6")))
def test_who_is_asked_makes_a_majority_with_every_beat(beat: int, standing: set[str], me: str) -> None:
    asked = committee(VOTERS, [voter for voter in VOTERS if voter in standing | {me}], me, 3, beat)
    assert len(asked) == len(set(asked)) >= 3
    assert me in asked or me not in VOTERS
    assert len(asked) == 3 or set(asked) == set(VOTERS)


@given(beats, st.sampled_from(VOTERS))
def test_all_others_are_asked_in_two_beats(beat: int, me: str) -> None:
    assert {*committee(VOTERS, VOTERS, me, 3, beat), *committee(VOTERS, VOTERS, me, 3, beat + 1)} == set(VOTERS)


def test_those_who_do_not_stand_by_the_holder_are_asked_only_where_too_few_do() -> None:
    assert committee(VOTERS, ("pi1", "pi4", "pi5"), "pi1", 3, 7) == ["pi1", "pi4", "pi5"]
    assert committee(VOTERS, ("pi1", "pi5"), "pi1", 3, 7) == list(VOTERS)


@given(st.integers(0, 1 << 62), st.integers(1, 1 << 33), st.integers(0, 1 << 33))
def test_beats_are_even_and_never_now(now_ns: int, every_ns: int, phase_ns: int) -> None:
    pulse = Pulse(phase_ns)
    next_ns = pulse.next_ns(now_ns, every_ns)
    assert now_ns < next_ns <= now_ns + every_ns
    assert pulse.next_ns(next_ns, every_ns) == next_ns + every_ns
    assert pulse.beat(next_ns, every_ns) == pulse.beat(now_ns, every_ns) + 1 == pulse.beat(next_ns - 1, every_ns) + 1
