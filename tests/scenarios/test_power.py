"""Power: cut and returned, of one, of some, of all."""

from __future__ import annotations

from functools import partial

from tests.scenarios.stage import Setting, Stage, scenario


@scenario()
def test_the_holders_power_is_cut_and_returns(stage: Stage) -> None:
    held = stage.holder
    stage.play("power cut of the holder", lambda: stage.world.cut(held), moves=True)
    stage.play("it returns", lambda: stage.world.plug(held), moves=False)


@scenario()
def test_another_voters_power_is_cut_and_nobody_notices(stage: Stage) -> None:
    other = stage.others()[0]
    stage.play("power cut of another voter", lambda: stage.world.cut(other), moves=False)
    stage.play("it returns", lambda: stage.world.plug(other), moves=False)


@scenario(Setting(5))
def test_two_of_five_go_dark_at_once(stage: Stage) -> None:
    held, other = stage.holder, stage.others()[0]

    def cut_both() -> None:
        stage.world.cut(held)
        stage.world.cut(other)

    stage.play("power cut of two of five, the holder among them", cut_both, moves=True)
    for name in (held, other):
        stage.play("one of them returns", partial(stage.world.plug, name), moves=False)
        stage.all_well()


@scenario()
def test_the_whole_stack_goes_dark_and_returns(stage: Stage) -> None:
    stage.goes_dark("power failure of the whole stack", lambda: stage.everywhere(stage.world.cut), for_s=0.5)
    stage.everywhere(stage.world.plug)
    stage.all_well()


@scenario(Setting(5))
def test_voters_go_one_by_one_down_to_the_last_majority_and_below_and_return(stage: Stage) -> None:
    first, second, third, *_ = stage.others()
    stage.play("one voter of five goes", lambda: stage.world.cut(first), moves=False, for_s=0.6)
    stage.play("a second one goes: the last majority", lambda: stage.world.cut(second), moves=False, for_s=0.6)
    stage.goes_dark("a third one goes: no majority", lambda: stage.world.cut(third))
    stage.world.plug(third)
    stage.until(lambda: bool(stage.holder), "the address is back with the majority")
    stage.play("a second one returns", lambda: stage.world.plug(second), moves=False, for_s=0.6)
    stage.play("the first one returns", lambda: stage.world.plug(first), moves=False, for_s=0.6)


@scenario(begins=False)
def test_all_are_powered_on_at_once(stage: Stage) -> None:
    stage.everywhere(stage.world.plug)
    stage.all_well()
    stage.play("all on at once: nothing moves afterwards", lambda: None, moves=False)


@scenario(begins=False)
def test_all_are_powered_on_one_after_the_other(stage: Stage) -> None:
    first, second, third = stage.world.stack.names
    stage.world.plug(first)
    stage.go_on(1.5)
    assert not stage.holder, "one of three answers, without a majority"
    stage.world.plug(second)
    stage.until(lambda: bool(stage.holder), "two of three are a majority")
    stage.play("one after the other: the third changes nothing", lambda: stage.world.plug(third), moves=False)


@scenario(Setting(5), begins=False)
def test_all_are_powered_on_in_pairs(stage: Stage) -> None:
    for name in ("pi1", "pi2"):
        stage.world.plug(name)
    stage.go_on(1.0)
    assert not stage.holder, "two of five answer, without a majority"
    for name in ("pi3", "pi4"):
        stage.world.plug(name)
    stage.until(lambda: bool(stage.holder), "four of five are a majority")
    stage.play("in pairs: the fifth changes nothing", lambda: stage.world.plug("pi5"), moves=False)
