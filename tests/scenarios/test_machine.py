"""The machine around the agent: files, addresses, interfaces, and other machines with the same address."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from picluster.adapters.links import Links
from picluster.adapters.namespaces import limit_memory, read_only
from picluster.errors import LabError
from tests.scenarios.stage import WEB, Stage, scenario

FOREIGN = ("foreign", "02:00:00:00:00:66")


def fill(directory: Path) -> None:
    """Not one byte more goes into the file system."""
    found = os.statvfs(directory)
    limit_memory(directory, (found.f_blocks - found.f_bfree) * found.f_frsize)
    with suppress(OSError), (directory / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))


@scenario()
def test_the_run_directory_is_full(stage: Stage) -> None:
    """Nothing on the way of a lease writes a file. A restart has to do with what there is."""
    held = stage.holder
    stage.play("every file system is full", lambda: fill(stage.world.directory), moves=False)
    stage.play("full, and the holder's agent is killed", lambda: stage.world.end_agent(held, signal.SIGKILL), moves=True)
    stage.play("still full, and it starts again", lambda: stage.world.start_agent(held), moves=False)
    stage.all_well()
    limit_memory(stage.world.directory, 0)
    stage.play("there is room again", lambda: None, moves=False, for_s=0.5)


@scenario()
def test_the_run_directory_becomes_read_only(stage: Stage) -> None:
    held = stage.holder
    with read_only(stage.world.directory / held):
        stage.play("the holder's /run is read-only", lambda: None, moves=False)
    other = stage.others()[0]
    with read_only(stage.world.directory / other):
        stage.play("read-only at another, and the holder's power is cut", lambda: stage.world.cut(held), moves=True)
    stage.world.plug(held)


@scenario()
def test_an_agent_cannot_start_where_it_cannot_write_and_says_so(stage: Stage) -> None:
    other = stage.others()[0]
    stage.world.end_agent(other, signal.SIGKILL)
    with read_only(stage.world.directory / other):
        stage.world.start_agent(other)
        with pytest.raises(LabError, match="has ended by itself"):
            stage.go_on(5.0)
    assert stage.said(other, "Read-only file system")
    stage.world.end_agent(other)
    stage.play("an agent starts once its /run can be written", lambda: stage.world.start_agent(other), moves=False)


@scenario()
def test_the_address_is_removed_by_hand(stage: Stage) -> None:
    held = stage.holder

    def remove() -> None:
        with Links(stage.world.machine(held)) as links:
            links.remove_address("eth0", f"{WEB}/32")

    for _ in range(3):
        stage.play("the address is removed by hand", remove, moves=False, for_s=0.5)
    assert stage.said(held, "had been removed"), "it was put back, and not said"


@scenario()
def test_the_interface_is_switched_off_and_on(stage: Stage) -> None:
    held = stage.holder
    with Links(stage.world.machine(held)) as links:
        stage.play("the holder's interface is switched off", lambda: links.down("eth0"), moves=True)
        stage.play("it is switched on again", lambda: links.up("eth0"), moves=False)


@scenario()
def test_the_interface_is_gone_and_back(stage: Stage) -> None:
    held = stage.holder
    stage.play("the holder's network adapter is pulled out", lambda: stage.world.unplug(held), moves=True)
    stage.play("it is back", lambda: stage.world.replug(held), moves=False)
    stage.all_well()
    taken = stage.holder
    stage.play("and can be handed the address", lambda: stage.tell(taken, do="move", address="web", to=held), moves=True)
    assert stage.holder == held


@scenario()
def test_the_interface_is_renamed(stage: Stage) -> None:
    held = stage.holder

    def rename(old: str, new: str) -> None:
        with Links(stage.world.machine(held)) as links:
            links.down(old)
            links.rename(old, new)
            links.up(new)

    stage.play("the holder's interface is renamed", lambda: rename("eth0", "lan0"), moves=True)
    stage.play("it has its name again", lambda: rename("lan0", "eth0"), moves=False)


@scenario(begins=False)
def test_a_foreign_machine_has_the_address_before_anybody_takes_it(stage: Stage) -> None:
    world = stage.world
    stage.ledger.guests_count = False
    world.join(*FOREIGN, [f"{WEB}/24"])
    stage.everywhere(world.plug)
    stage.until(lambda: any(stage.said(name, "foreign machine") for name in world.stack.names), "it is noticed and named")
    stage.go_on(1.0)
    assert not stage.holder, "the address of a foreign machine was taken"
    assert any(stage.said(name, FOREIGN[1]) for name in world.stack.names), "its hardware address is not named"
    world.leave(FOREIGN[0])
    stage.until(lambda: bool(stage.holder), "the address is taken once it is free")


@scenario()
def test_a_foreign_machine_takes_the_address_during_the_lease(stage: Stage) -> None:
    """Nobody can keep it from answering. The holder keeps its lease, names the other, and announces again; once that has
    gone, the client is the holder's."""
    held = stage.holder
    stage.world.client.ledger.guests_count = False
    guest = stage.world.join(*FOREIGN, [f"{WEB}/24"])
    with Links(guest) as links:
        stage.go_on(0.2)
        assert links.state("eth0").up
    stage.go_on(1.5)
    stage.world.leave(FOREIGN[0])
    stage.until(lambda: stage.holder == held, "the client is back with the holder")
    stage.play("a foreign machine has had the address as well", lambda: None, moves=False)
