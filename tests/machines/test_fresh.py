"""Fresh cards are as Raspberry Pi OS leaves them, and what a test can do to them does what it says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from picluster.errors import LabError
from picluster.lab.card import PASSWORD, Card
from tests.machines.fresh import FreshStage, fresh
from tests.machines.snapshots import differences, snapshot

MEBIBYTE = 1 << 20
LOGIN_LEAVES = ("/var/log/.*", "/var/lib/sudo/.*", "/var/lib/systemd/.*", "/home/pi/.cache.*", "/var/cache/.*")


@fresh(2)
def test_a_fresh_pi_lets_its_user_in_with_a_password_and_asks_for_it_again(stage: FreshStage) -> None:
    keys = {name: stage.host_key(name) for name in stage.names}
    assert len(set(keys.values())) == 2, "each makes host keys of its own"
    assert stage.ssh("pi1", "hostname").stdout == "raspberrypi\n"
    assert "sudo" in stage.ssh("pi1", "id", "--groups", "--name").stdout.split()
    assert stage.ssh("pi1", "id", "--user").stdout == "1000\n"
    assert stage.ssh("pi1", "sudo", "--non-interactive", "true").returncode != 0
    assert stage.ssh("pi1", "sudo", "-S", "id", "--user", told=f"{PASSWORD}\n").stdout == "0\n"
    assert stage.ssh("pi2", "sudo", "-S", "true", told="wrong\n").returncode != 0
    ids = {stage.pi(name).run("cat", "/etc/machine-id") for name in stage.names}
    assert len(ids) == 2
    assert all(len(number) == 32 for number in ids)
    assert stage.pi("pi1").run("sh", "-c", "command -v picluster", check=False) == ""
    for name in stage.names:
        booted = stage.pi(name).run("systemctl", "is-system-running", "--wait", check=False)
        assert booted == "running", stage.pi(name).run("systemctl", "--no-pager", "list-units", "--failed")


@fresh(1)
def test_apt_finds_the_labs_packages_and_a_reboot_keeps_the_host_key(stage: FreshStage) -> None:
    pi, key = stage.pi("pi1"), stage.host_key("pi1")
    pi.run("apt-get", "update")
    pi.run("apt-get", "install", "--yes", "lab-hello", "tree")
    assert pi.run("cat", "/usr/share/lab-hello") == "hello"
    assert "hello" in pi.run("tree", "/usr/share", "-P", "lab-hello")
    pi.run("touch", "/run/lab-fragile-fails")
    with pytest.raises(LabError, match="lab-fragile"):
        pi.run("apt-get", "install", "--yes", "lab-fragile")
    assert "lab-fragile" in pi.run("dpkg", "--audit", check=False)
    stage.world.reboot("pi1")
    stage.world.until_reached("pi1")
    assert stage.host_key("pi1") == key
    assert pi.run("cat", "/usr/share/lab-hello") == "hello"
    stage.world.flash("pi1")
    stage.world.boot_all()
    assert stage.host_key("pi1") != key
    assert not (stage.pi("pi1").root / "usr/share/lab-hello").exists()


OPEN = Card(sudo_asks=False)
DEBIAN = Card(user="admin", raspberry=False)
MANAGED = Card(network_manager=True)


@fresh(3, cards={"pi1": OPEN, "pi2": DEBIAN, "pi3": MANAGED})
def test_other_cards(stage: FreshStage) -> None:
    assert stage.ssh("pi1", "sudo", "--non-interactive", "id", "--user").stdout == "0\n"
    assert stage.ssh("pi2", "hostname").stdout == "debian\n"
    assert not (stage.pi("pi2").root / "boot/firmware/cmdline.txt").exists()
    assert "52:54:00" in stage.pi("pi2").run("ip", "link", "show", "eth0")
    assert "dc:a6:32" in stage.pi("pi3").run("ip", "link", "show", "eth0")
    shown = stage.pi("pi3").run("nmcli", "--get-values", "GENERAL.CONNECTION", "device", "show", "eth0")
    assert shown == "Wired connection 1"
    host_key, controller = stage.desk / "host", stage.desk / "controller"
    for key in (host_key, controller):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)]
        subprocess.run(command, check=True)
    made = Card(host_key=host_key, lets_in=Path(f"{controller}.pub").read_text())
    stage.world.flash("pi1", made)
    stage.world.boot_all()
    assert stage.host_key("pi1") == Path(f"{host_key}.pub").read_text().split()[1]
    with stage.world.controller.entered():
        options = ["-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={stage.desk / 'other'}"]
        options += ["-o", "StrictHostKeyChecking=accept-new", "-i", str(controller)]
        command = ["ssh", *options, f"pi@{stage.world.address('pi1')}", "true"]
        subprocess.run(command, check=True, timeout=20)


@fresh(2)
def test_what_a_test_can_do_to_a_pi(stage: FreshStage) -> None:
    pi = stage.pi("pi1")
    with stage.full("pi1", MEBIBYTE), pytest.raises(LabError, match="No space left"):
        pi.run("dd", "if=/dev/zero", "of=/var/waste", "bs=1M", "count=4")
    pi.run("dd", "if=/dev/zero", "of=/var/waste", "bs=1M", "count=4")
    with stage.read_only("pi1"), pytest.raises(LabError, match="Read-only"):
        pi.run("touch", "/var/other")
    with stage.package_lock("pi1"), pytest.raises(LabError, match="Could not get lock"):
        pi.run("apt-get", "install", "--yes", "lab-hello")
    with stage.hung_server("pi1"):
        assert not stage.world.is_reached("pi1")
    with stage.unplugged("pi1"):
        assert not stage.world.is_reached("pi1")
    stage.world.until_reached("pi1")
    stage.clone("pi1", "pi2")
    assert stage.host_key("pi1") == stage.host_key("pi2")


@fresh(1)
def test_a_pi_that_is_rebooted_without_a_goodbye(stage: FreshStage) -> None:
    boot = boot_of(stage)
    stage.pi("pi1").run("reboot", "--force", "--force", check=False)
    stage.until(lambda: boot_of(stage) not in {"", boot}, "it boots anew")
    stage.world.until_reached("pi1")


def boot_of(stage: FreshStage) -> str:
    """The number of its boot; empty while there is none."""
    try:
        return stage.pi("pi1").run("cat", "/proc/sys/kernel/random/boot_id")
    except LabError:
        return ""


@fresh(1)
def test_a_connection_that_is_cut(stage: FreshStage) -> None:
    stage.ssh("pi1", "true")
    with stage.world.controller.entered():
        command = ["ssh", "-o", f"UserKnownHostsFile={stage.desk / 'known'}", f"pi@{stage.world.address('pi1')}", "sleep 60"]
        asked = {"SSH_ASKPASS": str(stage.desk / ".ask-password"), "SSH_ASKPASS_REQUIRE": "force"}
        process = subprocess.Popen(command, env={**stage.environment, **asked}, stdin=subprocess.DEVNULL)
    stage.until(lambda: stage.sessions("pi1"), "somebody is connected")
    assert stage.cut_sessions("pi1")
    assert process.wait(10) == 255


@fresh(1)
def test_snapshots_see_what_is_different_and_nothing_else(stage: FreshStage) -> None:
    pi = stage.pi("pi1")
    pi.run("systemctl", "is-system-running", "--wait", check=False)
    before = snapshot(stage.world, "pi1")
    assert stage.ssh("pi1", "true").returncode == 0
    pi.run("touch", "/etc/hosts", "/usr/bin/ls")
    assert differences(before, snapshot(stage.world, "pi1"), LOGIN_LEAVES) == []
    pi.run(
        "sh", "-c", "echo >>/etc/hosts; chmod 600 /etc/hostname; rm /usr/bin/nmcli; echo x >/etc/new; echo >>/usr/bin/which"
    )
    found = differences(before, snapshot(stage.world, "pi1"), LOGIN_LEAVES)
    assert [line.partition(": ")[0] for line in found if "which" not in line] == [
        "/etc/hostname",
        "/etc/hosts",
        "/etc/new",
        "/usr/bin/nmcli",
    ]
