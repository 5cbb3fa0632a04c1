"""The agent as a service: how its unit starts it, confines it, watches it, ends it and cleans up after it."""

from __future__ import annotations

import re
import signal
from functools import partial

import pytest

from picluster.adapters.control import ask
from picluster.errors import LabError
from picluster.lab.disk import STAND_IN
from tests.machines.stage import WEB, MachineStage, machines

MOST_EXPOSED = 2.5
FAST = ("WatchdogSec=1s",)
ONCE = ("Restart=no",)


@machines()
def test_the_unit_boots_to_ready(stage: MachineStage) -> None:
    for name in stage.world.stack.names:
        pi = stage.pi(name)
        booted = pi.run("systemctl", "is-system-running", "--wait", check=False)
        assert booted == "running", pi.run("systemctl", "--no-pager", "list-units", "--failed")
        assert stage.shown(name, "SubState") == "running"
        assert stage.shown(name, "NRestarts") == "0"
        assert stage.shown(name, "WatchdogUSec") == "5s"
        assert stage.shown(name, "StatusText")


@machines()
def test_the_unit_as_it_is_confines_the_agent(stage: MachineStage) -> None:
    """Without what stands in for limits where those cannot be raised; then it runs, and says what is refused."""
    name = stage.others()[0]
    pi = stage.pi(name)
    stand_in = pi.inside(f"/etc/systemd/system/{STAND_IN}")
    could_not_raise = stand_in.exists()
    stand_in.unlink(missing_ok=True)
    pi.run("systemctl", "daemon-reload")
    stage.play("another agent is restarted", lambda: pi.run("systemctl", "restart", "picluster"), moves=None, row=False)
    stage.wait_for(name)
    pid = stage.shown(name, "MainPID")
    assert pi.run("stat", "--format=%U", f"/proc/{pid}") == "picluster"
    assert capabilities(stage, name, pid) == {"CapPrm": 0x3000, "CapEff": 0x3000, "CapBnd": 0x3000}
    said = pi.run("journalctl", "--unit=picluster", f"_PID={pid}")
    assert ("real-time priority is refused" in said) is could_not_raise
    exposed = pi.run("systemd-analyze", "security", "--no-pager", "picluster").splitlines()[-1]
    assert float(re.findall(r"service: ([\d.]+)", exposed)[0]) <= MOST_EXPOSED, exposed


def capabilities(stage: MachineStage, name: str, pid: str) -> dict[str, int]:
    """12 is CAP_NET_ADMIN, 13 CAP_NET_RAW (linux/capability.h)."""
    status = stage.pi(name).inside(f"/proc/{pid}/status").read_text()
    return {kind: int(value, 16) for kind, value in re.findall(r"^(CapPrm|CapEff|CapBnd):\s+(\w+)$", status, re.MULTILINE)}


@machines()
def test_the_agent_is_urgent(stage: MachineStage) -> None:
    name = stage.holder
    pid = stage.shown(name, "MainPID")
    policies = stage.pi(name).run("chrt", "--all-tasks", "--pid", pid)
    assert policies.count("SCHED_RR") >= 2, policies
    assert "SCHED_OTHER" not in policies
    locked = re.findall(r"VmLck:\s+(\d+) kB", stage.pi(name).inside(f"/proc/{pid}/status").read_text())
    assert int(locked[0]) > 1_000
    assert "refused" not in stage.pi(name).run("journalctl", "--unit=picluster", f"_PID={pid}")


@machines()
def test_a_frozen_agent_is_killed_by_the_watchdog_and_nothing_of_it_stays(stage: MachineStage) -> None:
    held = stage.holder
    stage.drop_in(held, *FAST, *ONCE)
    stage.pi(held).run("systemctl", "restart", "picluster")
    stage.wait_for(held)
    held = bring_back(stage, held)

    def freeze() -> None:
        stage.machines.signal_agent(held, signal.SIGSTOP)
        stage.until_shown(held, "Result", "watchdog")
        stage.until_shown(held, "ActiveState", "failed")

    stage.play("the holder's agent is frozen, until the watchdog bites", freeze, moves=True)
    assert stage.remains(held) == ""
    assert "Current thread" in stage.pi(held).run("journalctl", "--unit=picluster"), "where it hung is not in the journal"
    stage.drop_in(held)
    stage.play("it is started again", lambda: stage.machines.start_agent(held), moves=False)


def bring_back(stage: MachineStage, name: str) -> str:
    """Move the address to the Pi, as its owner would."""
    if stage.holder != name:
        stage.tell(stage.holder, do="move", address="web", to=name)
        stage.until(lambda: stage.holder == name, f"{name} holds the address")
    return name


@machines()
def test_a_frozen_agent_is_killed_and_starts_again_by_itself(stage: MachineStage) -> None:
    held = stage.holder

    def freeze() -> None:
        stage.machines.signal_agent(held, signal.SIGSTOP)
        stage.until_shown(held, "NRestarts", "1")

    stage.play("the holder's agent is frozen, and restarted by its unit", freeze, moves=True)
    stage.wait_for(held)


@machines()
def test_a_killed_agent_leaves_nothing_and_starts_again_by_itself(stage: MachineStage) -> None:
    held = stage.holder
    stage.drop_in(held, *ONCE)

    def kill() -> None:
        stage.machines.signal_agent(held, signal.SIGKILL)
        stage.until_shown(held, "ActiveState", "failed")

    stage.play("the holder's agent is killed", kill, moves=True)
    assert stage.remains(held) == ""
    stage.drop_in(held)
    stage.play("it is started again", lambda: stage.machines.start_agent(held), moves=False)
    stage.wait_for(held)
    stage.machines.signal_agent(held, signal.SIGKILL)
    stage.until_shown(held, "NRestarts", "1")
    stage.wait_for(held)


@machines()
def test_a_stopped_agent_hands_over_and_leaves_nothing_but_its_voters_record(stage: MachineStage) -> None:
    held = stage.holder
    pi = stage.pi(held)
    stage.play("systemctl stop on the holder", lambda: stage.machines.end_agent(held), moves=True)
    assert stage.remains(held) == ""
    assert stage.shown(held, "Result") == "success"
    assert pi.run("ls", "/run/picluster") == "longest-term"
    stage.play("systemctl start", lambda: stage.machines.start_agent(held), moves=False)


@machines()
def test_while_the_agent_runs_a_clean_up_touches_nothing(stage: MachineStage) -> None:
    held = stage.holder

    def clean_up() -> None:
        with pytest.raises(LabError, match="another agent runs"):
            stage.pi(held).run("picluster", "agent", "--clean-up")

    stage.play("somebody cleans up on the holder", clean_up, moves=False)
    assert WEB in stage.remains(held)


@machines()
def test_each_agent_is_upgraded_under_load(stage: MachineStage) -> None:
    for name in (stage.holder, *stage.others()):
        held = stage.holder
        version = stage.pi(name).root / "opt/picluster/lib/picluster/__init__.py"
        version.write_text(re.sub('__version__ = ".*"', '__version__ = "99.1"', version.read_text()))
        title = "the holder's agent is upgraded" if name == held else "another agent is upgraded"
        restart = partial(stage.pi(name).run, "systemctl", "restart", "picluster")
        stage.play(title, restart, moves=name == held)
        stage.wait_for(name)
    assert versions(stage) == dict.fromkeys(stage.world.stack.names, "99.1")


def versions(stage: MachineStage) -> dict[str, str]:
    """Of the agents, as one of them knows them."""
    answer = ask(stage.machines.run_dir("pi1"), {"do": "status"})
    return {node["name"]: node["version"] for node in answer["status"]["cluster"]["nodes"]}


@machines()
def test_a_new_key_is_read_without_a_restart(stage: MachineStage) -> None:
    names = stage.world.stack.names
    pids = [stage.shown(name, "MainPID") for name in names]
    fresh = "0123456789abcdef" * 4
    for name in names:
        key = stage.pi(name).inside("/etc/picluster/cluster.key")
        key.write_text(f"{key.read_text()}{fresh}\n")
    for name in names:
        reload = partial(stage.pi(name).run, "systemctl", "reload", "picluster")
        stage.play("a second key is believed", reload, moves=False, row=False)
    for name in names:
        stage.pi(name).inside("/etc/picluster/cluster.key").write_text(f"{fresh}\n")
    for name in names:
        stage.pi(name).run("systemctl", "reload", "picluster")
    stage.play("all seal with a new key", lambda: stage.go_on(0.5), moves=False)
    assert [stage.shown(name, "MainPID") for name in names] == pids
