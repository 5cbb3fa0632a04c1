"""The word of a node that has died, and held an address when it spoke last, is void once another has taken that."""

from __future__ import annotations

from dataclasses import replace

from picluster.agent.overview import Testimony as Word
from picluster.agent.succession import Succession
from picluster.model.inventory import Role
from picluster.model.messages import Cause, Heartbeat, Held

MS = 1_000_000
START_NS = 60_000 * MS
QUIET = Heartbeat(Role.MEMBER, 1, True, False, False, 1, "1", 0)


def word(age_ms: int, **taken_ms_ago: int) -> Word:
    """Said so long ago; the addresses with how long before now they were taken."""
    holds = tuple(Held(name, 0, (ago - age_ms) * 1_000, "", Cause.FIRST, 0) for name, ago in taken_ms_ago.items())
    return Word(replace(QUIET, holds=holds), age_ms * MS)


def holders(succession: Succession, now_ms: int, **words: Word) -> dict[str, tuple[str, ...]]:
    valid = succession.valid(words, START_NS + now_ms * MS)
    return {name: tuple(held.address for held in one.heartbeat.holds) for name, one in valid.items() if one.heartbeat}


def test_of_two_the_one_that_took_it_later_holds_it() -> None:
    seen = holders(Succession(), 0, pi1=word(300, web=9_000, db=9_000), pi2=word(50, web=100))
    assert seen == {"pi1": ("db",), "pi2": ("web",)}


def test_a_dead_holder_does_not_come_back_when_its_heir_lets_go() -> None:
    succession = Succession()
    assert holders(succession, 0, pi1=word(300, web=9_000), pi2=word(50, web=100)) == {"pi1": (), "pi2": ("web",)}
    assert holders(succession, 100, pi1=word(400, web=9_100), pi2=word(20)) == {"pi1": (), "pi2": ()}


def test_who_takes_it_again_holds_it() -> None:
    succession = Succession()
    holders(succession, 0, pi1=word(300, web=9_000), pi2=word(50, web=100))
    assert holders(succession, 500, pi1=word(20, web=30), pi2=word(20)) == {"pi1": ("web",), "pi2": ()}


def test_the_holder_s_own_words_may_be_late_or_early() -> None:
    succession = Succession()
    for now_ms, taken_ms_ago in ((0, 5_000), (200, 5_190), (400, 5_420)):
        assert holders(succession, now_ms, pi1=word(50, web=taken_ms_ago)) == {"pi1": ("web",)}


def test_who_was_never_heard_says_nothing() -> None:
    assert Succession().valid({"pi1": Word(None)}, START_NS) == {"pi1": Word(None)}
