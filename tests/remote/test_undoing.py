"""After a reset the node is as it was, whatever was done to it and however often; and where it is cut it goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

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
from picluster.remote.failure import Failure
from picluster.remote.manifest import Manifest
from picluster.remote.node import STATE
from picluster.remote.talking import Gone, Talk
from picluster.remote.undoing import undo
from tests.remote.stage import OWN, Pretended, everything, make_wheel

APP = {"app.py": "def main(): print(1)\n", "app-1.0.dist-info/entry_points.txt": "[console_scripts]\napp = app:main\n"}


class Listener(Talk):
    """Hears what is said, and hangs up after so many steps."""

    def __init__(self, most: int = 1_000) -> None:
        self.said: list[dict[str, object]] = []
        self.left = most
        self.hung_up = False
        self._step = None

    def say(self, kind: str, **words: object) -> None:
        self.said.append({"kind": kind, **words})

    def gone(self) -> bool:
        self.left -= 1
        return self.left < 0


def reset(node: Pretended, most: int = 1_000) -> list[dict[str, object]]:
    listener = Listener(most)
    undo(node.work(), listener)
    return listener.said


def all_steps(node: Pretended) -> Sequence[Step]:
    node.put("/etc/app.conf", "theirs", 0o640)
    node.put("/etc/old.conf", "old")
    node.put("/proc/sys/net/ipv4/ip_forward", "0\n")
    node.put("/etc/sysusers.d/app.conf", "u app - - /run/app\n")
    node.at("/etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    node.at("/etc/opt").chmod(0o750)
    node.unit("timer.timer", enabled="enabled", active="active")
    node.unit("ssh.service", enabled="enabled", active="active")
    node.unit("app.service")
    wheel = node.have(make_wheel("app", APP))
    return [
        host_name("pi1"),
        write("/etc/app.conf", b"ours", mode=0o600, owner=OWN),
        write("/etc/app.d/deep/er.conf", b"ours", owner=OWN),
        remove("/etc/old.conf"),
        directory("/etc/opt", mode=0o700, owner=OWN),
        directory("/srv/app", owner=OWN),
        link("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"),
        link("/usr/local/bin/app", "/opt/app/bin/app"),
        packages(["nftables"]),
        sysctl("net.ipv4.ip_forward", "1"),
        unit("timer.timer", enabled=False, state="stopped"),
        write("/etc/ssh/sshd_config.d/ours.conf", b"ours", owner=OWN),
        unit("ssh.service", state="reloaded"),
        run("systemd-sysusers", "/etc/sysusers.d/app.conf"),
        environment("/opt/app-1", [wheel], "app"),
        link("/opt/app", "/opt/app-1"),
        write("/etc/systemd/system/app.service", b"[Service]\n", owner=OWN),
        unit("app.service", enabled=True, state="started"),
        stamp("app", "1"),
    ]


def looks(node: Pretended) -> tuple[dict[str, object], dict[str, str], str]:
    """Everything that there is, but for our own memory and apt's lists."""
    files = {path: about for path, about in everything(node.root).items() if not path.startswith((STATE[1:], "var/lib/apt"))}
    units = {unit.name: unit.read_text() for unit in (node.home / "units").iterdir()}
    return files, units, (node.home / "status").read_text()


def test_everything_is_as_it_was(node: Pretended) -> None:
    steps = all_steps(node)
    before = looks(node)
    node.do(*steps)
    node.do(write("/etc/app.conf", b"ours, second", owner=OWN), host_name("pi2"))
    assert looks(node) != before
    said = reset(node)
    assert looks(node) == before
    assert not node.at(STATE).exists()
    assert said[0] == {"kind": "begin", "step": 0, "text": "unit app.service"}
    assert all(one["kind"] in {"begin", "done", "output"} for one in said)


def test_units_that_read_our_files_read_theirs_again(node: Pretended) -> None:
    node.do(*all_steps(node))
    told = len(node.log)
    reset(node)
    again = node.log[told:]
    assert "systemctl daemon-reload" in again
    assert "systemctl reload-or-restart ssh.service" in again
    assert again.index("systemctl stop app.service") < again.index("systemctl daemon-reload")
    assert "systemctl reload-or-restart app.service" not in again


def test_a_unit_that_refuses_its_own_files_does_not_stop_the_reset(node: Pretended) -> None:
    node.unit("ssh.service", enabled="enabled", active="active")
    node.do(write("/etc/ssh/sshd_config.d/ours.conf", b"ours", owner=OWN), unit("ssh.service", state="reloaded"))
    (node.home / "refuses").touch()
    reset(node)
    assert any("Job for ssh.service failed" in line for line in node.said)
    assert not node.at(STATE).exists()


def test_the_time_of_a_file_comes_back_too(node: Pretended) -> None:
    place = node.put("/etc/app.conf", "theirs")
    os.utime(place, ns=(10**18, 10**18))
    node.do(write("/etc/app.conf", b"ours", owner=OWN))
    reset(node)
    assert place.stat().st_mtime_ns == 10**18


@pytest.mark.scenario
def test_it_can_be_cut_after_any_step_and_goes_on(node: Pretended) -> None:
    steps = all_steps(node)
    before = looks(node)
    node.do(*steps)
    cuts = 0
    while True:
        try:
            reset(node, most=cuts)
            break
        except Gone:
            cuts += 1
    assert cuts > len(steps)
    assert looks(node) == before
    assert not node.at(STATE).exists()


def test_after_a_reset_there_is_nothing_to_reset(node: Pretended) -> None:
    node.do(write("/etc/app.conf", b"ours", owner=OWN))
    reset(node)
    assert reset(node) == []


def test_memory_without_a_manifest_goes(node: Pretended) -> None:
    """It was cut between the manifest and the rest."""
    node.do(write("/etc/app.conf", b"ours", owner=OWN), stamp("a", "b"))
    node.at(f"{STATE}/manifest.jsonl").unlink()
    assert [one["kind"] for one in reset(node)] == ["begin", "done"]
    assert not node.at(STATE).exists()
    assert node.at("/etc/app.conf").exists(), "nobody knows any more whose it is"


def test_what_people_have_put_into_our_directory_stays(node: Pretended) -> None:
    node.do(write("/etc/app.d/ours.conf", b"ours", owner=OWN))
    theirs = node.put("/etc/app.d/theirs.conf", "theirs")
    reset(node)
    assert theirs.exists()
    assert not node.at("/etc/app.d/ours.conf").exists()
    assert node.said == ["/etc/app.d stays: there is something in it that is not ours"]


def test_what_people_have_removed_meanwhile_is_no_trouble(node: Pretended) -> None:
    node.do(*all_steps(node))
    for path in ("/etc/systemd/system/app.service", "/etc/app.d/deep/er.conf", "/usr/local/bin/app", "/etc/app.conf"):
        node.at(path).unlink()
    (node.home / "units" / "app.service").unlink()
    reset(node)
    assert node.at("/etc/app.conf").read_text() == "theirs"


def test_what_a_cut_write_left_beside_goes_too(node: Pretended) -> None:
    node.do(write("/etc/app.conf", b"ours", owner=OWN))
    left = node.put("/etc/.app.conf.picluster-new", "half")
    reset(node)
    assert not left.exists()


def test_what_a_command_is_known_to_change_comes_back(node: Pretended) -> None:
    archive = node.put("/usr/lib/locale/locale-archive", "C")
    node.play("locale-gen", f"open({str(archive)!r}, 'a').write('de_DE')")
    node.do(run("locale-gen"))
    assert archive.read_text() == "Cde_DE"
    reset(node)
    assert archive.read_text() == "C"


def test_a_failure_is_told_and_the_next_reset_goes_on(node: Pretended) -> None:
    steps = all_steps(node)
    before = looks(node)
    node.do(*steps)
    (node.home / "refuses").touch()
    with pytest.raises(Failure, match=r"app\.service failed"):
        reset(node)
    assert Manifest(node.node()).entries
    (node.home / "refuses").unlink()
    reset(node)
    assert looks(node) == before
