"""The node program on a Pi that really boots: real apt, systemd and accounts; and after a reset the card is as it was."""

from __future__ import annotations

from typing import Any

from picluster.lab.machine import entrance
from picluster.provision.steps import (
    Step,
    directory,
    environment,
    host_name,
    link,
    packages,
    remove,
    run,
    stamp,
    sysctl,
    unit,
    write,
)
from tests.machines.fresh import FreshStage, fresh
from tests.machines.snapshots import differences, snapshot
from tests.remote.stage import Session, make_wheel

PROGRAM = """
import sys, time
def main():
    print("ours 1.0", flush=True)
    "--version" in sys.argv or time.sleep(10**6)
"""
ENTRY = "[console_scripts]\nours = ours:main\n"
WHEEL = make_wheel("ours", {"ours.py": PROGRAM, "ours-1.0.dist-info/entry_points.txt": ENTRY})
SERVICE = b"""[Unit]
Description=ours
[Service]
User=ours
ExecStart=/opt/ours/bin/ours
[Install]
WantedBy=multi-user.target
"""
FORWARD = "net.ipv4.ip_forward"
STEPS = (
    host_name("pi1"),
    packages(["lab-hello", "tree"]),
    write("/etc/sysctl.d/90-ours.conf", f"{FORWARD} = 1\n".encode()),
    sysctl(FORWARD, "1"),
    write("/etc/ssh/sshd_config.d/90-ours.conf", b"MaxAuthTries 3\n", mode=0o600),
    unit("ssh.service", state="reloaded"),
    link("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"),
    remove("/etc/motd"),
    unit("avahi-daemon.service", enabled=False, state="stopped"),
    write("/etc/sysusers.d/ours.conf", b'u ours - "ours" /run/ours\nm ours video\n'),
    run("systemd-sysusers", "/etc/sysusers.d/ours.conf"),
    directory("/etc/ours", mode=0o750, owner="root:ours"),
    write("/etc/ours/key", b"secret", mode=0o600, owner="ours:ours"),
    environment("/opt/ours-1", [WHEEL], "ours"),
    link("/opt/ours", "/opt/ours-1"),
    write("/etc/systemd/system/ours.service", SERVICE),
    unit("ours.service", enabled=True, state="started"),
    stamp("ours", "1"),
)
OWN_AFFAIRS = ("/var/log/.*", "/var/cache/.*", "/var/lib/apt/.*", "/var/lib/dpkg/.*", "/var/lib/systemd/.*")
"""Logs, caches, and what apt, dpkg and systemd write down for themselves."""


def session(stage: FreshStage) -> Session:
    return Session({}, command=[*entrance(stage.pi("pi1").leader()), "python3"])


def apply(stage: FreshStage, steps: tuple[Step, ...]) -> list[bool]:
    """Whether each changed anything."""
    with session(stage) as said:
        told = [answer for answer in said.apply("/", steps) if answer["kind"] in {"done", "failed"}]
    assert not [answer for answer in told if answer["kind"] == "failed"], told
    return [answer["changed"] for answer in told]


def facts(stage: FreshStage, **question: list[str]) -> dict[str, Any]:
    with session(stage) as said:
        (told,) = said.ask({"do": "facts", "question": question})
    found: dict[str, Any] = told["facts"]
    return found


@fresh(1)
def test_all_steps_then_nothing_to_do_then_a_reset(stage: FreshStage) -> None:
    pi = stage.pi("pi1")
    before, forwarded = snapshot(stage.world, "pi1"), pi.run("sysctl", "-n", FORWARD)
    idle = [STEPS[index].request for index, changed in enumerate(apply(stage, STEPS)) if not changed]
    assert idle == []
    brought = differences(before, snapshot(stage.world, "pi1"), OWN_AFFAIRS)
    assert len(brought) > len(STEPS)
    assert pi.run("systemctl", "is-active", "ours.service") == "active"
    assert pi.run("hostname") == "pi1"
    assert pi.run("cat", "/usr/share/lab-hello") == "hello"
    assert pi.run("stat", "--format=%U:%G %a", "/etc/ours/key") == "ours:ours 600"

    again = apply(stage, STEPS)
    acts = {index for index, changed in enumerate(again) if changed}
    assert {STEPS[index].do for index in acts} == {"run", "unit"}, "a command and a reload always act"
    assert len(acts) == 2

    with session(stage) as said:
        told = said.ask({"do": "undo", "who": "me"})
    assert {answer["kind"] for answer in told} <= {"begin", "output", "done"}, told
    assert differences(before, snapshot(stage.world, "pi1"), OWN_AFFAIRS) == []
    assert pi.run("hostname") == "raspberrypi"
    assert pi.run("sysctl", "-n", FORWARD) == forwarded
    assert pi.run("systemctl", "is-active", "avahi-daemon.service") == "active"
    assert pi.run("systemctl", "is-system-running", "--wait", check=False) == "running"
    assert "lab-hello" not in pi.run("dpkg-query", "--show", "--showformat=${Package} ")


@fresh(1)
def test_a_fresh_pi_tells_what_it_is(stage: FreshStage) -> None:
    told = facts(
        stage,
        units=["ssh.service", "nothing.service"],
        packages=["python3", "nothing"],
        files=["/etc/hostname"],
        sysctls=[FORWARD],
        groups=["pi"],
    )
    assert (told["host_name"], told["system"], told["libc"][:2], told["python"][:2]) == ("raspberrypi", "debian", "2.", "3.")
    assert told["architecture"] == stage.pi("pi1").run("dpkg", "--print-architecture")
    assert told["release"]
    assert (told["package_lock"], told["packages_broken"], told["read_only"], told["agent"]) == ("", False, False, None)
    assert told["units"]["ssh.service"] == {"load": "loaded", "enabled": "enabled", "active": "active"}
    assert told["units"]["nothing.service"]["load"] == "not-found"
    assert list(told["packages"]) == ["python3"]
    assert "gpio" in told["groups"]["pi"]
    eth0 = next(one for one in told["interfaces"] if one["name"] == "eth0")
    assert any(address.startswith(f"{stage.world.address('pi1')}/") for address in eth0["addresses"])
    assert eth0["up"]
    assert told["clock_s"] > 1_700_000_000


@fresh(1)
def test_whoever_has_dpkgs_lock_is_named_and_waited_for(stage: FreshStage) -> None:
    with session(stage) as said:
        with stage.package_lock("pi1"):
            said.begin("/", [packages(["lab-hello"])])
            assert said.answer()["kind"] == "begin"
            waits = said.answer()
            assert waits["kind"] == "wait"
            assert waits["text"].startswith("unattended-upgr (process ")
            assert facts(stage)["package_lock"] == waits["text"].replace(" has dpkg's lock", "")
        told = said.answers()
    assert told[-1] == {"kind": "done", "step": 0, "changed": True}


@fresh(1)
def test_a_dpkg_that_was_cut_off_in_an_installation_is_mended(stage: FreshStage) -> None:
    pi = stage.pi("pi1")
    pi.run("touch", "/run/lab-fragile-fails")
    with session(stage) as said:
        failed = said.apply("/", [packages(["lab-fragile"])])[-1]
    assert failed["kind"] == "failed"
    assert "lab-fragile" in failed["error"]
    assert facts(stage)["packages_broken"]
    pi.run("rm", "/run/lab-fragile-fails")
    assert apply(stage, (packages(["lab-fragile"]),)) == [True]
    assert not facts(stage)["packages_broken"]
    with session(stage) as said:
        said.ask({"do": "undo"})
    assert "lab-fragile" not in pi.run("dpkg-query", "--show", "--showformat=${Package} ")
