"""The oracle, by hand: what it lets pass, and what not."""

from __future__ import annotations

from picluster.simulated.oracle import Opening, Oracle, Promise, Sin

VOTERS = ("pi1", "pi2", "pi3")


def promised(oracle: Oracle, node: str, until_ns: int, *voters: str, number: int = 1, now_ns: int = 0) -> None:
    for voter in voters:
        oracle.promised(now_ns, voter, "web", Promise(node, 7, number, until_ns))


def sins(oracle: Oracle) -> list[Sin]:
    return [violation.sin for violation in oracle.violations]


def test_a_gate_that_a_majority_stands_by_is_in_order() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    oracle.opened(10, "web", Opening("pi1", 7, 100, VOTERS))
    assert oracle.holder(99, "web") == "pi1"
    assert not oracle.holder(100, "web")
    assert not sins(oracle)


def test_a_gate_that_outlasts_its_grants_is_unbacked() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    oracle.opened(10, "web", Opening("pi1", 7, 102, VOTERS))
    assert sins(oracle) == [Sin.UNBACKED]


def test_grants_to_an_earlier_incarnation_do_not_back_this_one() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    oracle.opened(10, "web", Opening("pi1", 8, 100, VOTERS))
    assert sins(oracle) == [Sin.UNBACKED]


def test_a_second_gate_is_one_too_many_while_the_first_is_open() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    oracle.opened(10, "web", Opening("pi1", 7, 100, VOTERS))
    oracle.opened(99, "web", Opening("pi3", 7, 150, VOTERS))
    assert Sin.TWO_HOLDERS in sins(oracle)


def test_a_voter_that_stands_by_another_too_early_takes_the_ground_away() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    oracle.opened(10, "web", Opening("pi1", 7, 100, VOTERS))
    promised(oracle, "pi3", 200, "pi2", now_ns=99)
    assert sins(oracle) == [Sin.UNBACKED]


def test_a_renewal_does_not_shorten_a_promise() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    promised(oracle, "pi1", 50, "pi1", "pi2", number=2)
    oracle.opened(10, "web", Opening("pi1", 7, 100, VOTERS))
    assert not sins(oracle)


def test_a_release_frees_the_voter_unless_it_is_older_than_its_promise() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2", number=5)
    oracle.opened(10, "web", Opening("pi1", 7, 100, VOTERS))
    oracle.released(20, "pi2", "web", "pi1", 7, 4)
    assert not sins(oracle)
    oracle.released(20, "pi2", "web", "pi1", 7, 5)
    assert sins(oracle) == [Sin.UNBACKED]


def test_whoever_says_released_must_have_shut_its_gate() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    oracle.opened(10, "web", Opening("pi1", 7, 100, VOTERS))
    oracle.said_released(20, "web", "pi1")
    assert sins(oracle) == [Sin.SPOKE_TOO_SOON]


def test_a_gate_that_was_shut_in_time_is_no_second_one() -> None:
    oracle = Oracle()
    promised(oracle, "pi1", 101, "pi1", "pi2")
    oracle.opened(10, "web", Opening("pi1", 7, 100, VOTERS))
    oracle.shut("web", "pi1")
    oracle.said_released(20, "web", "pi1")
    promised(oracle, "pi3", 200, "pi2", "pi3", now_ns=20)
    oracle.opened(21, "web", Opening("pi3", 7, 150, VOTERS))
    assert not sins(oracle)


def test_on_standby_nothing_may_be_open() -> None:
    oracle = Oracle()
    oracle.obeyed_standby(20, "pi1", ())
    assert not sins(oracle)
    oracle.obeyed_standby(20, "pi1", ("web",))
    assert sins(oracle) == [Sin.STILL_THERE]
