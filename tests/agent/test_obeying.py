"""What the rules want done, the agent does in order; what a port that fails costs.

An address stops answering before its release leaves, and is held before it is announced: the other way round two nodes would
answer at once. A port that fails stops what depends on it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from picluster.model.events import EventKind, Severity
from picluster.model.messages import Claim, Grant
from picluster.ports import LinkChanged
from tests.agent.workbench import SECOND, TWO_ADDRESSES, Bench, releases


def leave(bench: Bench) -> None:
    bench.agent.stop()


def step_aside(bench: Bench) -> None:
    bench.agent.set_standby(True)


def move_away(bench: Bench) -> None:
    bench.agent.move("web", "pi2")


def lose_the_link(bench: Bench) -> None:
    bench.observe(LinkChanged("eth0", up=False))


WAYS_OUT = [leave, step_aside, move_away, lose_the_link]


@pytest.mark.parametrize("way_out", WAYS_OUT)
def test_an_address_stops_answering_before_its_release_leaves(way_out: Callable[[Bench], None]) -> None:
    bench = Bench().holding()
    way_out(bench)
    words = bench.history()
    assert words.index(("let_go", "web")) < words.index(("sent release", "pi2"))
    assert bench.keeper.held == set()
    assert [event.severity for event in bench.told(EventKind.RELEASED)] == [Severity.INFO]
    bench.run(100)
    assert {release.successor for release in releases(bench.puppets["pi2"])} == {"pi2"}


@pytest.mark.parametrize("way_out", [leave, step_aside, lose_the_link])
def test_where_it_cannot_be_let_go_of_no_release_is_sent(way_out: Callable[[Bench], None]) -> None:
    bench = Bench().holding()
    bench.keeper.refuse = {"let_go"}
    way_out(bench)
    bench.run(1_000)
    assert not [word for word in bench.history() if word[0] == "sent release"]
    assert not bench.told(EventKind.RELEASED)
    [lost] = bench.told(EventKind.LOST)
    assert lost.severity is Severity.BAD
    assert "trying again" in lost.text
    assert len(bench.deeds("let_go refused")) > 3, "it is tried again"
    bench.keeper.refuse = set()
    bench.run(400)
    assert bench.keeper.held == set()
    assert [event.text for event in bench.told(EventKind.RELEASED)] == ["web is off this machine at last"]


def test_where_one_cannot_be_let_go_of_the_others_are_and_nothing_is_said() -> None:
    bench = Bench(TWO_ADDRESSES).holding()
    sent = len([word for word in bench.history() if word[0] == "sent release"])
    bench.keeper.refuse = {"let_go"}
    bench.agent.stop()
    assert bench.deeds("let_go refused") == [("let_go refused", "web"), ("let_go refused", "dns")]
    assert len([word for word in bench.history() if word[0] == "sent release"]) == sent


def test_an_address_that_is_held_again_is_not_let_go_of_by_an_old_attempt() -> None:
    bench = Bench().holding()
    bench.keeper.refuse = {"let_go"}
    step_aside(bench)
    bench.keeper.refuse = {"let_go", "hold"}
    bench.agent.set_standby(False)
    bench.keeper.refuse = {"let_go"}
    bench.run(1_500)
    assert bench.deeds("hold"), "it came back to this node, nobody else wanted it"
    bench.forget()
    bench.keeper.refuse = set()
    bench.run(500)
    assert bench.deeds("let_go") == []
    assert bench.keeper.held == {"web"}


@pytest.mark.parametrize("late", [False, True])
def test_what_could_not_be_held_is_neither_announced_nor_reported_as_taken(late: bool) -> None:
    bench = Bench().ready()
    bench.keeper.refuse, bench.keeper.late = set() if late else {"hold"}, late
    bench.run(800)
    words = bench.history()
    first = words.index(("hold too late" if late else "hold refused", "web"))
    assert not [word for word in words if word[0] in ("announce", "told took")]
    assert ("told lost", "web") in words
    assert words.index(("let_go", "web")) > first, "whatever the kernel did half, is undone"
    assert words.index(("let_go", "web")) < words.index(("sent release", "pi2"))


def test_a_renewal_that_the_kernel_refuses_ends_the_lease() -> None:
    bench = Bench().holding()
    bench.keeper.refuse = {"hold"}
    bench.run(100)
    assert bench.keeper.held == set()
    [lost] = bench.told(EventKind.LOST)
    assert "the kernel refuses to hold" in lost.text
    assert [release.cause.value for release in releases(bench.puppets["pi2"])][:1] == ["unfit"]


def test_an_announcement_that_fails_is_reported_and_the_address_is_kept() -> None:
    bench = Bench().ready()
    bench.keeper.refuse = {"announce"}
    bench.run(800)
    assert bench.keeper.held == {"web"}
    assert bench.told(EventKind.NOT_COVERED)[0].severity is Severity.WARNING


def test_a_lease_that_ended_while_the_agent_was_frozen_is_gone_before_anything_else_happens() -> None:
    bench = Bench().holding()
    bench.puppets["pi2"].say(Grant("web", 1))
    bench.carry()
    bench.clock.ns += SECOND
    bench.agent.turn()
    assert bench.history()[0] == ("let_go", "web")
    assert bench.told(EventKind.LOST)


def test_no_grant_without_a_record_of_its_term() -> None:
    bench = Bench(full=True).ready()
    bench.puppets["pi2"].say(Claim("web", 77, 150_000, 1))
    bench.run(50)
    assert not bench.puppets["pi2"].heard_of(Grant)
    assert bench.told(EventKind.NOT_COVERED)[0].severity is Severity.BAD
    for _ in range(20):
        bench.puppets["pi2"].say(Claim("web", 78, 150_000, 1))
        bench.run(5)
    assert len(bench.told(EventKind.NOT_COVERED)) == 1, "once is enough"
    bench.boot.full = False
    for number in (90, 91):
        bench.puppets["pi2"].say(Claim("web", number, 150_000, 1))
        bench.run(10)
    assert bench.puppets["pi2"].heard_of(Grant), "as soon as it can be written down, it votes"


def test_a_longer_term_is_written_down_before_it_is_granted() -> None:
    bench = Bench().ready()
    bench.forget()
    for number in (77, 78):
        bench.puppets["pi2"].say(Claim("web", number, 900_000, 1))
        bench.run(10)
    words = bench.history()
    assert words.index(("remember", "900000")) < words.index(("sent grant", "pi2"))


def test_a_probe_that_cannot_be_sent_makes_unfit_for_a_while() -> None:
    bench = Bench()
    bench.keeper.refuse = {"probe"}
    bench.ready()
    bench.run(1_000)
    assert not bench.agent.member.fit
    assert [event.severity for event in bench.told(EventKind.FITNESS)] == [Severity.BAD]
    bench.keeper.refuse = set()
    bench.run(8_000)
    assert bench.agent.member.fit
    assert bench.keeper.held == {"web"}
