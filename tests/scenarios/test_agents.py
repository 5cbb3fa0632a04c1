"""Agents: killed, frozen, stopped, on standby, of another version, or two under one name."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial

from tests.scenarios.stage import Setting, Stage, scenario

TIMES = 5


@scenario()
def test_the_holders_agent_is_killed_and_starts_again(stage: Stage) -> None:
    held = stage.holder
    stage.play("the holder's agent is killed", lambda: stage.world.end_agent(held, signal.SIGKILL), moves=True)
    stage.play("it starts again", lambda: stage.world.start_agent(held), moves=False)


@scenario()
def test_the_holders_agent_is_killed_and_starts_again_at_once(stage: Stage) -> None:
    held = stage.holder

    def restart() -> None:
        stage.world.end_agent(held, signal.SIGKILL)
        stage.world.start_agent(held)

    stage.play("the holder's agent is killed and restarted at once", restart, moves=None)


@scenario()
def test_another_voters_agent_is_killed_and_starts_again(stage: Stage) -> None:
    other = stage.others()[0]
    stage.play("another agent is killed", lambda: stage.world.end_agent(other, signal.SIGKILL), moves=False, for_s=0.6)
    stage.play("it starts again", lambda: stage.world.start_agent(other), moves=False)


@scenario()
def test_the_holders_agent_is_frozen_for_less_than_a_lease(stage: Stage) -> None:
    held = stage.holder

    def freeze_shortly() -> None:
        stage.world.freeze(held)
        stage.go_on(0.08)
        stage.world.thaw(held)

    stage.play("the holder's agent is frozen for 0.1 s", freeze_shortly, moves=None)


def frozen(seconds: float, *, whole: bool) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        held = stage.holder
        who = "the whole holder" if whole else "the holder's agent"
        stage.play(
            f"{who} is frozen for {seconds:g} s", lambda: stage.world.freeze(held, whole=whole), moves=True, for_s=seconds
        )
        stage.play("it thaws", lambda: stage.world.thaw(held), moves=False)

    return play


@scenario()
def test_the_holders_agent_is_frozen_for_a_second(stage: Stage) -> None:
    frozen(1.0, whole=False)(stage)


@scenario()
def test_the_holders_agent_is_frozen_for_five_seconds(stage: Stage) -> None:
    frozen(5.0, whole=False)(stage)


@scenario()
def test_the_whole_holder_is_frozen_and_its_kernel_goes_on(stage: Stage) -> None:
    frozen(2.0, whole=True)(stage)


@scenario()
def test_the_holder_freezes_again_and_again(stage: Stage) -> None:
    def stutter() -> None:
        for _ in range(8):
            held = stage.holder or "pi1"
            stage.world.freeze(held)
            stage.go_on(0.25)
            stage.world.thaw(held)
            stage.go_on(0.05)

    stage.play("whoever holds is frozen for 0.25 s, again and again", stutter, moves=None)


@scenario()
def test_all_agents_freeze_and_thaw_at_once(stage: Stage) -> None:
    stage.goes_dark("all agents freeze", lambda: stage.everywhere(stage.world.freeze), for_s=0.5)
    stage.everywhere(stage.world.thaw)


def by_turns(
    stage: Stage, title: str, leave: Callable[[str], object], come_back: Callable[[str], object], times: int = TIMES
) -> None:
    """Whoever holds leaves on purpose and comes back, and again the next one."""
    outages = []
    for _ in range(times):
        held = stage.holder
        outages.append(stage.play(title, partial(leave, held), moves=True, for_s=0.5, row=False))
        come_back(held)
        stage.all_well()
    stage.summary(title, outages)


@scenario()
def test_agents_are_stopped_one_after_the_other(stage: Stage) -> None:
    by_turns(stage, "graceful stop of the holder's agent", stage.world.end_agent, stage.world.start_agent)


@scenario()
def test_the_holder_goes_on_standby_again_and_again(stage: Stage) -> None:
    by_turns(stage, "the holder goes on standby", partial(stage.tell, do="standby"), partial(stage.tell, do="active"))


@scenario()
def test_the_address_is_moved_by_hand_and_goes_where_it_is_told(stage: Stage) -> None:
    outages = []
    for _ in range(TIMES):
        target = stage.others()[-1]
        move = partial(stage.tell, stage.holder, do="move", address="web", to=target)
        outages.append(stage.play("move", move, moves=True, for_s=0.5, row=False))
        assert stage.holder == target
    stage.summary("moved by hand", outages)


@scenario()
def test_the_holder_reboots(stage: Stage) -> None:
    """As a machine is shut down: the agent is stopped first, and the power goes then."""

    def go_down(name: str) -> None:
        stage.world.end_agent(name)
        stage.world.cut(name)

    def boot(name: str) -> None:
        stage.play("boot", lambda: stage.world.plug(name), moves=False, for_s=0.5, row=False)

    by_turns(stage, "reboot of the holder", go_down, boot, times=3)


@scenario(begins=False)
def test_an_agent_of_another_version_takes_part(stage: Stage) -> None:
    stage.world.changes["pi1"] = "import picluster; picluster.__version__ = '99.1'"
    stage.director.start()
    held = stage.holder
    stage.play("one agent calls itself version 99.1: a power cut", lambda: stage.world.cut(held), moves=True)
    stage.play("it returns", lambda: stage.world.plug(held), moves=False)


@scenario(begins=False, ends_well=False)
def test_an_agent_of_another_wire_format_is_alone_and_holds_nothing(stage: Stage) -> None:
    stage.world.changes["pi1"] = "import picluster.wire.seal as seal; seal.VERSION = 2"
    stage.everywhere(stage.world.plug)
    stage.until(lambda: bool(stage.holder), "the two that understand each other are a majority")
    assert stage.holder != "pi1"
    stage.play("one agent speaks another wire format", lambda: None, moves=False)
    held = stage.holder
    stage.goes_dark("with it alone there is no majority", lambda: stage.world.cut(held))
    stage.world.plug(held)
    stage.until(lambda: bool(stage.holder), "the majority is back")


TWINS = Setting(4, members=("pi1", "pi2", "pi3"))


@scenario(TWINS, begins=False, ends_well=False)
def test_a_cloned_card_runs_a_second_machine_under_the_holders_name(stage: Stage) -> None:
    world = stage.world
    for name in ("pi1", "pi2", "pi3"):
        world.plug(name)
    stage.until(lambda: bool(stage.holder), "the address is answered")
    stage.go_on(1.0)
    held = stage.holder
    settings = world.run_dir("pi4") / "agent.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace('"pi4"', f'"{held}"'), encoding="utf-8")
    stage.play("a second machine runs under the holder's name", lambda: world.plug("pi4"), moves=None, for_s=4.0)
    stage.until(lambda: any(stage.said(name, "two machines") for name in ("pi1", "pi2", "pi3")), "the others notice")
    stage.play("it goes", lambda: world.cut("pi4"), moves=None)


@scenario(begins=False)
def test_the_wall_clock_is_years_ahead_of_what_the_agent_believed(stage: Stage) -> None:
    """An agent that reads a wall clock ahead of its kernel's is one whose clock is set back after each of its readings: the
    gate's absolute end is years away. The timeout shuts it all the same."""
    ahead = "import time; real = time.time_ns; time.time_ns = lambda: real() + 100_000_000_000_000_000"
    stage.world.changes.update(dict.fromkeys(stage.world.stack.names, ahead))
    stage.director.start()
    held = stage.holder
    stage.play("wall clock set back by years, and the agent freezes", lambda: stage.world.freeze(held), moves=True)
    stage.play("it thaws", lambda: stage.world.thaw(held), moves=False)
