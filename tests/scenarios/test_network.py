"""The network: cut in two, in one direction, in single links; flapping; lossy, late and repetitive."""

from __future__ import annotations

import time
from functools import partial

from picluster.lab.cable import Flaws
from picluster.lab.namespaces import CLIENT
from picluster.lab.programs import kill
from tests.scenarios.stage import WINDOW_S, Setting, Stage, both_ways, scenario

OTHER_CLIENT = ("client2", "02:00:00:00:00:04", ("10.77.0.4/24",))


def block_and_heal(stage: Stage, title: str, ways: list[tuple[str, str]], *, moves: bool, for_s: float = WINDOW_S) -> None:
    """These ways are blocked; then all is whole again."""
    stage.play(title, lambda: stage.world.block(ways), moves=moves, for_s=for_s)
    stage.play("it heals", stage.world.heal, moves=False)


@scenario()
def test_a_clean_partition_with_a_client_on_each_side(stage: Stage) -> None:
    held, others = stage.holder, stage.others()
    second = stage.world.join_client(*OTHER_CLIENT)
    stage.go_on(0.3)
    began_ns = time.monotonic_ns()

    def part() -> None:
        stage.world.block(both_ways([held, OTHER_CLIENT[0]], [*others, CLIENT]))

    stage.play("partition, a client on each side", part, moves=True, for_s=2.0)
    taken = stage.holder
    stage.play("it heals", stage.world.heal, moves=False, for_s=1.5)

    def found() -> bool:
        second.pump()
        return second.ledger.answering(time.monotonic_ns()) == taken

    stage.until(found, "the client on the old holder's side finds the new one")
    old, new = second.ledger.answered_from_to(held, began_ns), stage.ledger.answered_from_to(taken, began_ns)
    assert new is not None
    assert old is None or old[1] < new[0], "the client on either side was answered by another Pi at one time"
    kill([second.process])


@scenario()
def test_the_holder_is_alone_with_the_client(stage: Stage) -> None:
    """The client reaches nobody but a node that may not answer; what is promised is only that it does not."""
    held, others = stage.holder, stage.others()
    stage.goes_dark("the holder is alone with the client", lambda: stage.world.block(both_ways([held, CLIENT], others)))
    stage.world.heal()
    stage.until(lambda: stage.holder in others, "the client finds the new holder")


@scenario()
def test_the_client_reaches_both_sides(stage: Stage) -> None:
    held, others = stage.holder, stage.others()
    block_and_heal(stage, "partition, the client reaches both sides", both_ways([held], others), moves=True, for_s=2.0)


@scenario()
def test_the_holder_is_heard_and_hears_nothing(stage: Stage) -> None:
    held, others = stage.holder, stage.others()
    block_and_heal(stage, "one way: the holder hears no other Pi", [(other, held) for other in others], moves=True)


@scenario()
def test_the_holder_hears_and_is_not_heard(stage: Stage) -> None:
    held, others = stage.holder, stage.others()
    block_and_heal(stage, "one way: no other Pi hears the holder", [(held, other) for other in others], moves=True)


@scenario()
def test_one_link_to_the_holder_is_cut(stage: Stage) -> None:
    held, first = stage.holder, stage.others()[0]
    block_and_heal(stage, "the link between the holder and one other is cut", both_ways([held], [first]), moves=False)


@scenario()
def test_the_holder_is_the_bridge_between_two_that_do_not_hear_each_other(stage: Stage) -> None:
    first, second = stage.others()
    block_and_heal(stage, "the holder is the bridge", both_ways([first], [second]), moves=False)


@scenario(Setting(5))
def test_two_halves_meet_in_one_bridge_node(stage: Stage) -> None:
    """Two and two that do not hear each other, and a fifth that hears all: each half with the fifth is a majority."""
    held = stage.holder
    bridge, friend, *rest = stage.others()
    block_and_heal(stage, "two halves and a bridge", both_ways([held, friend], rest), moves=False, for_s=3.0)
    assert bridge != stage.holder


@scenario(Setting(5))
def test_every_node_hears_a_majority_and_no_two_the_same(stage: Stage) -> None:
    """A ring: each hears its two neighbours, and not the two across."""
    names = stage.world.stack.names
    cut = [pair for i in range(5) for pair in both_ways([names[i]], [names[(i + 2) % 5]])]
    block_and_heal(stage, "a ring of majorities", cut, moves=False, for_s=3.0)


@scenario()
def test_nobody_hears_anybody(stage: Stage) -> None:
    names = list(stage.world.stack.names)
    everything = [(one, other) for one in names for other in names if one != other]
    stage.goes_dark("no Pi hears another", lambda: stage.world.block(everything))
    stage.world.heal()
    stage.until(lambda: bool(stage.holder), "the address is back")


@scenario()
def test_the_network_flaps(stage: Stage) -> None:
    """The holder is cut off and joined again, in every rhythm between a tenth of a second and two."""
    for period_s, times in ((0.1, 10), (0.25, 6), (0.5, 4), (2.0, 2)):

        def flap(period_s: float = period_s, times: int = times) -> None:
            for _ in range(times):
                stage.world.part([stage.holder or "pi1"])
                stage.go_on(period_s / 2)
                stage.world.heal()
                stage.go_on(period_s / 2)

        stage.play(f"the network flaps every {period_s:g} s", flap, moves=None, for_s=0.5)


@scenario()
def test_the_holders_cable_flaps(stage: Stage) -> None:
    def flap() -> None:
        for _ in range(6):
            name = stage.holder or "pi1"
            stage.world.carrier(name, up=False)
            stage.go_on(0.15)
            stage.world.carrier(name, up=True)
            stage.go_on(0.15)

    stage.play("the holder's cable is out and in every 0.3 s", flap, moves=None)


@scenario()
def test_the_holders_cable_is_out_and_back(stage: Stage) -> None:
    held = stage.holder
    stage.play("the holder's cable is pulled out", lambda: stage.world.carrier(held, up=False), moves=True)
    stage.play("it is back", lambda: stage.world.carrier(held, up=True), moves=False)


@scenario()
def test_datagrams_are_lost(stage: Stage) -> None:
    for percent, moves in ((5, False), (20, False), (40, None)):
        stage.play(f"{percent} % of all datagrams are lost", partial(stage.world.lose, percent), moves=moves, for_s=4.0)
    stage.play("nothing is lost any more", lambda: stage.world.lose(0), moves=False)


def spoil_all(stage: Stage, flaws: Flaws) -> None:
    stage.everywhere(lambda name: stage.world.spoil(name, flaws))


@scenario()
def test_datagrams_come_twice(stage: Stage) -> None:
    stage.play("half of all datagrams come twice", lambda: spoil_all(stage, Flaws(50, 0, 0)), moves=False, for_s=2.0)
    held = stage.holder
    stage.play("and the holder's power is cut", lambda: stage.world.cut(held), moves=True)
    stage.world.plug(held)


@scenario()
def test_datagrams_come_late_and_out_of_order(stage: Stage) -> None:
    stage.play("30 % late by up to 0.6 s, and repeated", lambda: spoil_all(stage, Flaws(30, 30, 600)), moves=None, for_s=3.0)
    held = stage.holder
    stage.play("and the holder's power is cut", lambda: stage.world.cut(held), moves=True)
    stage.world.plug(held)
    for name in stage.world.stack.names:
        if name != held:
            stage.world.mend(name)
