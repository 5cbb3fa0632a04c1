"""`picluster lab` as a person uses it, from `up` to `down`, and that nothing is left after it."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from picluster.adapters.control import SOCKET_NAME
from picluster.errors import LabError
from picluster.lab import control_groups
from picluster.lab.caretaker import RUN_DIR
from picluster.lab.machines import machines_refused
from picluster.lab.programs import environment
from picluster.lab.script import WELL
from picluster.lab.standing import bring_up
from tests.patience import until

pytestmark = pytest.mark.machine


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "picluster.cli.main", "lab", *words]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL
    )


def answer(*words: str) -> dict[str, Any]:
    done = lab(*words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def states() -> dict[str, str]:
    return {pi["name"]: pi["state"] or pi["power"] for pi in answer("status")["pis"]}


@pytest.fixture
def standing() -> Iterator[None]:
    if machines_refused():
        pytest.skip(machines_refused())
    if RUN_DIR.exists():
        pytest.skip("somebody has a lab up on this machine; end it with: picluster lab down")
    try:
        yield
    finally:
        lab("down")


@pytest.mark.usefixtures("standing")
def test_up_cut_plug_freeze_thaw_reboot_shell_down() -> None:
    before = groups()
    up = answer("up")
    held = up["answering"]
    assert sorted(pi["name"] for pi in up["pis"]) == ["pi1", "pi2", "pi3"]
    assert "a lab is up already" in lab("up").stderr
    assert lab("shell", held, "cat", "/etc/hostname").stdout == f"{held}\n"
    assert lab("shell", held, "systemctl", "is-active", "picluster").stdout == "active\n"

    outcome = answer("cut", held)
    assert outcome["held"] == held
    assert outcome["then"] not in ("", held)
    assert outcome["double_ms"] == 0
    assert "has no power. Run: picluster lab plug" in lab("cut", held).stderr
    assert states()[held] == "off"
    assert answer("plug", held)["double_ms"] == 0
    until(lambda: states()[held] in WELL, f"{held} is back")

    holds = answer("status")["answering"]
    assert answer("freeze", holds)["then"] not in ("", holds)
    assert states()[holds] == "frozen"
    assert answer("thaw", holds)["double_ms"] == 0
    assert answer("reboot", held)["double_ms"] == 0
    assert "there is no 'pi9'" in lab("cut", "pi9").stderr

    assert lab("down").stdout == "the lab is gone\n"
    assert lab("down").stdout == "no lab is up\n"
    assert "no lab is up. Run: picluster lab up" in lab("status").stderr
    assert not RUN_DIR.exists()
    assert groups() == before


@pytest.mark.usefixtures("standing")
def test_a_lab_whose_caretaker_is_killed_takes_everything_with_it() -> None:
    before = groups()
    answer("up")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caretaker:
        caretaker.connect(str(RUN_DIR / SOCKET_NAME))
        pid, _, _ = struct.unpack("3i", caretaker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    assert running()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not running(), "all that ran in the lab is gone")
    assert "Run: picluster lab down" in lab("status").stderr
    assert lab("down").stdout == "the lab is gone\n"
    assert groups() == before


@pytest.mark.usefixtures("standing")
def test_a_lab_of_fresh_cards_and_the_way_into_its_network(tmp_path: Path) -> None:
    before = groups()
    up = answer("up", "--fresh")
    assert {pi["state"] for pi in up["pis"]} == {"fresh"}
    assert up["answering"] == ""
    assert lab("shell", "pi1", "hostname").stdout == "raspberrypi\n"
    assert lab("shell", "pi1", "picluster").returncode != 0
    key = host_key_of("10.77.0.11")
    assert key == host_key_of("10.77.0.11")
    answer("flash", "pi1")
    assert host_key_of("10.77.0.11") != key
    assert states() == dict.fromkeys(("pi1", "pi2", "pi3"), "fresh")
    assert "Name the directory of secrets" in lab("flash", "pi1", "--secrets", str(tmp_path)).stderr
    assert lab("run", "--", "picluster", "--version").returncode == 0
    assert lab("down").stdout == "the lab is gone\n"
    assert groups() == before


def host_key_of(host: str) -> str:
    return lab("run", "ssh-keyscan", "-t", "ed25519", host).stdout.split()[-1]


def running() -> str:
    """The processes of all labs."""
    numbers = ""
    for group in groups():
        for file in group.rglob("cgroup.procs"):
            with suppress(FileNotFoundError):
                numbers += file.read_text()
    return numbers


def groups() -> list[Path]:
    """What there is of control groups of labs, in all hierarchies."""
    return sorted(Path("/sys/fs/cgroup").rglob(f"{control_groups.PREFIX}*"))


def test_without_root_it_says_so() -> None:
    own = os.geteuid()
    os.seteuid(own or 65_534)
    try:
        with pytest.raises(LabError, match="Pis that boot need root"):
            bring_up(3, print)
    finally:
        os.seteuid(own)
