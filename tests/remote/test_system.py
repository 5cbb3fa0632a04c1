"""The host's name, settings of the kernel, stamps, commands and the accounts that they make; and what units are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.provision.steps import host_name, run, stamp, sysctl, unit, write
from picluster.remote.commands import Commands
from picluster.remote.failure import Failure
from picluster.remote.node import STATE
from tests.remote.stage import OWN, Pretended

HOSTS = "127.0.0.1 localhost\n{}::1 localhost ip6-localhost\n"


def test_the_name_changes_everywhere_at_once(node: Pretended) -> None:
    assert node.do(host_name("pi1"), host_name("pi1")) == [True, False]
    assert node.at("/etc/hostname").read_text() == "pi1\n"
    assert node.at("/etc/hosts").read_text() == "127.0.0.1\tlocalhost\n127.0.1.1\tpi1\n"
    assert node.at("/proc/sys/kernel/hostname").read_text() == "pi1\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("127.0.1.1 old.example old\n", "127.0.1.1\tpi1\n"),
        ("127.0.1.1 pi1.example pi1\n", "127.0.1.1 pi1.example pi1\n"),
        ("127.0.1.1 one\n127.0.1.1 two\n", "127.0.1.1\tpi1\n"),
        ("", "127.0.1.1\tpi1\n"),
        ("# 127.0.1.1 not this\n", "127.0.1.1\tpi1\n# 127.0.1.1 not this\n"),
    ],
)
def test_other_lines_of_the_hosts_file_stay(node: Pretended, before: str, after: str) -> None:
    node.put("/etc/hosts", HOSTS.format(before))
    node.do(host_name("pi1"))
    assert node.at("/etc/hosts").read_text() == HOSTS.format(after)


def test_a_node_without_a_hosts_file_gets_one(node: Pretended) -> None:
    node.at("/etc/hosts").unlink()
    node.do(host_name("pi1"))
    assert node.at("/etc/hosts").read_text() == "127.0.1.1\tpi1\n"


def test_settings_of_the_kernel(node: Pretended) -> None:
    node.put("/proc/sys/net/ipv4/conf/eth0.5/arp_ignore", "0\n")
    node.put("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")
    ignore = sysctl("net.ipv4.conf.eth0/5.arp_ignore", "1")
    assert node.do(ignore, ignore, sysctl("net.ipv4.tcp_rmem", "4096 131072 6291456")) == [True, False, False]
    assert node.at("/proc/sys/net/ipv4/conf/eth0.5/arp_ignore").read_text() == "1\n"
    with pytest.raises(Failure, match=r"no setting net\.ipv4\.nothing"):
        node.do(sysctl("net.ipv4.nothing", "1"))


def test_stamps(node: Pretended) -> None:
    assert node.do(stamp("agent", "1"), stamp("agent", "1"), stamp("agent", "2")) == [True, False, True]
    assert node.at(f"{STATE}/stamps/agent").read_text() == "2"
    with pytest.raises(Failure, match="no name for a stamp"):
        node.do(stamp("../agent", "1"))


def test_a_command_says_what_it_says_and_how_it_ended(node: Pretended) -> None:
    node.play("greet", "import sys\nprint('hello', *sys.argv[1:])\nsys.exit(len(sys.argv) - 2)")
    assert node.do(run("greet", "$HOME; you")) == [True]
    assert node.said == ["hello $HOME; you"]
    with pytest.raises(Failure, match=r"greet a b failed \(exit code 1\)\. It said: hello a b"):
        node.do(run("greet", "a", "b"))
    with pytest.raises(Failure, match="nothing-here cannot be run"):
        node.do(run("nothing-here"))


def test_a_command_that_hangs_is_ended_with_all_that_it_started(node: Pretended, tmp_path: Path) -> None:
    node.play("hang", "import subprocess\nprint('begun', flush=True)\nsubprocess.run(['sleep', '1000'])")
    with pytest.raises(Failure, match=r"took longer than 0\.5 s, and was ended"):
        Commands(str(node.programs)).run("hang", most_s=0.5)
    assert Commands(str(tmp_path)).ask("hang") is None


def test_a_unit_is_enabled_and_started_once(node: Pretended) -> None:
    node.unit("app.service")
    step = unit("app.service", enabled=True, state="started")
    assert node.do(step, step) == [True, False]
    assert node.log == ["systemctl enable app.service", "systemctl start app.service"]


@pytest.mark.parametrize(
    ("active", "state", "told"),
    [
        ("active", "restarted", ["restart"]),
        ("inactive", "restarted", ["restart"]),
        ("active", "reloaded", ["reload-or-restart"]),
        ("inactive", "reloaded", []),
        ("activating", "started", ["start"]),
        ("activating", "stopped", ["stop"]),
        ("failed", "stopped", []),
        ("active", "", []),
    ],
)
def test_what_a_unit_is_told(node: Pretended, active: str, state: str, told: list[str]) -> None:
    node.unit("app.service", enabled="static", active=active)
    node.do(unit("app.service", enabled=True, state=state))
    assert node.log == [f"systemctl {verb} app.service" for verb in told]


def test_systemd_reads_its_files_again_once_they_have_changed(node: Pretended) -> None:
    node.unit("app.service", active="active")
    drop_in = write("/etc/systemd/system/app.service.d/ours.conf", b"[Service]\n", owner=OWN)
    node.do(drop_in, unit("app.service", state="restarted"), unit("app.service", state="restarted"))
    assert node.log == ["systemctl daemon-reload", *["systemctl restart app.service"] * 2]
    node.unit("app.service", active="active", stale=True)
    assert node.do(unit("app.service")) == [True]
    assert node.log[3:] == ["systemctl daemon-reload"]


def test_why_a_unit_does_not_start_is_told_by_its_journal(node: Pretended) -> None:
    node.unit("app.service")
    (node.home / "refuses").touch()
    node.play("journalctl", "print('line 7: no such key')")
    with pytest.raises(Failure, match=r"Job for app\.service failed.*Its journal ends: line 7: no such key"):
        node.do(unit("app.service", state="started"))


def test_accounts_are_noted_before_they_are_made(node: Pretended) -> None:
    node.put("/etc/sysusers.d/app.conf", "# comment\nu! app - 'the app' /run/app\nm pi gpio\n")
    node.play("systemd-sysusers", "import sys\nsys.exit(1)")
    with pytest.raises(Failure, match="systemd-sysusers"):
        node.do(run("systemd-sysusers", "/etc/sysusers.d/app.conf"))
    entries = [(entry["kind"], entry["name"]) for entry in node.work().manifest.entries]
    assert ("user", "app") in entries
    assert ("group", "app") in entries
    assert ("path", "/etc/passwd-") in entries
    assert not any(kind == "member" for kind, _ in entries), "pi is in gpio already"
