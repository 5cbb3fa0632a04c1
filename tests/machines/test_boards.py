"""Whole Pis: power, shutdown, a board that hangs, a root that cannot be written to, no memory left, a missing cable."""

from __future__ import annotations

from picluster.lab.machines import UNIT
from tests.machines.stage import MachineStage, machines

BOOT_ID = "/proc/sys/kernel/random/boot_id"
MEBIBYTE = 1 << 20


@machines()
def test_the_holders_power_is_cut_and_returns(stage: MachineStage) -> None:
    held = stage.holder
    pi = stage.pi(held)
    boot = pi.run("cat", BOOT_ID)
    pi.run("touch", "/var/lib/mine")
    stage.play("power cut of the holder", lambda: stage.world.cut(held), moves=True)
    stage.play("it boots again", lambda: stage.world.plug(held), moves=False)
    stage.wait_for(held)
    assert pi.run("cat", BOOT_ID) != boot
    assert pi.run("ls", "/var/lib/mine") == "/var/lib/mine", "it boots from another disk"


@machines()
def test_the_power_of_the_whole_stack_fails_and_returns(stage: MachineStage) -> None:
    names = stage.world.stack.names

    def cut_all() -> None:
        for name in names:
            stage.world.cut(name)

    stage.goes_dark("power failure of the whole stack", cut_all)
    for name in names:
        stage.world.plug(name)
    stage.all_well()


@machines()
def test_the_holder_reboots(stage: MachineStage) -> None:
    held = stage.holder
    stage.play("reboot of the holder", lambda: stage.machines.reboot(held), moves=True)
    stage.wait_for(held)
    assert "running" in stage.pi(held).run("systemctl", "is-system-running", "--wait", check=False)


@machines()
def test_the_holder_hangs_as_a_whole_for_longer_than_its_watchdog(stage: MachineStage) -> None:
    """Its systemd hangs too, and its kernel goes on answering ARP. Whether the watchdog bites after that is a race between
    systemd and the agent, which either may win."""
    held = stage.holder
    stage.play("the whole holder hangs for 6 s", lambda: stage.world.freeze(held, whole=True), moves=True, for_s=6.0)
    stage.play("it goes on", lambda: stage.world.thaw(held), moves=False)
    stage.wait_for(held)


@machines()
def test_another_pi_hangs_as_a_whole(stage: MachineStage) -> None:
    other = stage.others()[0]
    stage.play("another Pi hangs for 2 s", lambda: stage.world.freeze(other, whole=True), moves=False, for_s=2.0)
    stage.play("it goes on", lambda: stage.world.thaw(other), moves=False)


@machines()
def test_the_root_of_the_holder_cannot_be_written_to(stage: MachineStage) -> None:
    held = stage.holder
    pi = stage.pi(held)
    stage.play("the holder's root turns read-only", lambda: pi.run("mount", "-o", "remount,bind,ro", "/"), moves=False)
    assert "Read-only" in pi.run("sh", "-c", "touch /mine 2>&1", check=False)
    stage.play("its agent is restarted then", lambda: pi.run("systemctl", "restart", UNIT), moves=True)
    stage.wait_for(held)
    stage.play("the new holder's power is cut", lambda: stage.world.cut(stage.holder), moves=True)
    gone = next(name for name in stage.world.stack.names if name not in stage.world.powered)
    stage.world.plug(gone)


@machines(memory=True)
def test_memory_runs_out_on_the_holder(stage: MachineStage) -> None:
    """A program eats what there is. The kernel ends it, and not the agent."""
    held = stage.holder
    pid = stage.shown(held, "MainPID")
    pi = stage.pi(held)
    pi.limit_memory(192 * MEBIBYTE)
    eat = "pages = []\nwhile True: pages.append(bytearray(1 << 20))"
    ends = []

    def hunger() -> None:
        for _ in range(3):
            ends.append(pi.run("sh", "-c", 'systemd-run --wait --collect python3 -c "$0" 2>&1', eat, check=False))

    stage.play("memory runs out on the holder, three times", hunger, moves=None, for_s=0.5)
    assert all("signal" in end or "oom-kill" in end for end in ends), ends
    assert stage.shown(held, "MainPID") == pid


@machines()
def test_every_core_has_more_to_do_than_it_can(stage: MachineStage) -> None:
    """Two programs on each Pi compute, and one writes; the agents have real-time priority, as their unit asks for."""
    pis = [stage.pi(name) for name in stage.world.stack.names]
    work = {
        "one": "while :; do :; done",
        "other": "while :; do :; done",
        "writer": "while :; do cat /usr/bin/* >/var/waste; done",
    }

    def load() -> None:
        for pi in pis:
            for name, command in work.items():
                pi.run("systemd-run", "--collect", f"--unit=work-{name}", "sh", "-c", command)

    stage.play("every core is loaded for 8 s", load, moves=False, for_s=8.0)
    for pi in pis:
        pi.run("systemctl", "is-active", *(f"work-{name}" for name in work))
        pi.run("systemctl", "stop", "work-*")


@machines(begins=False)
def test_an_agent_without_a_carrier_starts_and_takes_part_once_it_has_one(stage: MachineStage) -> None:
    late, *others = stage.world.stack.names
    for name in stage.world.stack.names:
        stage.world.plug(name)
    stage.machines.carrier(late, up=False)
    stage.until_shown(late, "ActiveState", "active")
    stage.until(lambda: stage.holder in others, "the others hold the address")
    stage.play("the last Pi gets its cable", lambda: stage.machines.carrier(late, up=True), moves=False)
    stage.all_well()
