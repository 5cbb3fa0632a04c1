"""Faults in the portable world, with real agents: what its processes can show of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from picluster.errors import LabError
from picluster.lab.loopback import LoopbackWorld
from picluster.lab.script import Director
from picluster.lab.stack import Stack
from tests.lab.stand_ins import until

GIVEN_UP = "web given up: no majority"
TAKEN = "taken"
STILL_BOUND = "is still bound by another process"


@pytest.fixture
def world() -> Iterator[LoopbackWorld]:
    with LoopbackWorld(Stack(3)) as made:
        yield made


def answering(world: LoopbackWorld) -> str:
    return world.client.ledger.answering(time.monotonic_ns())


def said(world: LoopbackWorld, name: str) -> str:
    return world.log(name).read_text(encoding="utf-8")


def test_a_holder_cut_off_lets_go_before_another_takes_over(world: LoopbackWorld) -> None:
    Director(world).start()
    alone = answering(world)
    world.part([alone])
    until(world, lambda: answering(world) not in ("", alone))
    heir = answering(world)
    until(world, lambda: GIVEN_UP in said(world, alone) and TAKEN in said(world, heir))
    # A port has one owner: an heir that came too early would have been refused.
    assert not any(STILL_BOUND in said(world, name) for name in world.stack.names)
    assert world.client.ledger.double_ms == 0
    until(world, lambda: world.status(heir)[alone] == "silent")
    world.heal()
    until(world, lambda: sorted(world.status(heir).values()) == ["holder", "ready", "ready"])
    assert answering(world) == heir
    assert world.client.ledger.double_ms == 0


def test_a_frozen_holder_keeps_its_port_and_lets_go_before_anything_else_when_it_thaws(world: LoopbackWorld) -> None:
    Director(world).start()
    frozen = answering(world)
    world.freeze(frozen)
    before = len(said(world, frozen))
    until(world, lambda: any(STILL_BOUND in said(world, name) for name in world.stack.names))
    until(world, lambda: answering(world) == "")
    world.thaw(frozen)
    until(world, lambda: answering(world) != "")
    until(world, lambda: len(said(world, frozen)) > before)
    assert GIVEN_UP in said(world, frozen)[before:].splitlines()[0]
    assert world.client.ledger.double_ms == 0


def test_a_relay_that_died_is_said(world: LoopbackWorld) -> None:
    world._relay.kill()
    world._relay.wait()
    with pytest.raises(LabError, match="relay"):
        world.lose(20)
