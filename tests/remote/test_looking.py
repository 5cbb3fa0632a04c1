"""Facts: everything that is asked for is told, what is missing is told as nothing, and the answer is what `Facts` are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from picluster.provision.facts import Facts, Question
from picluster.provision.steps import stamp, write
from picluster.remote.commands import Commands
from picluster.remote.looking import LONGEST_FILE, look
from picluster.remote.node import Node
from tests.remote.stage import OWN, Pretended

ADDRESSES = """[{"ifname": "lo", "addr_info": []},
{"ifname": "eth0", "addr_info": [{"local": "192.168.1.21", "prefixlen": 24}, {"local": "fe80::1", "prefixlen": 64}]}, {}]"""


def facts(node: Pretended, **question: tuple[str, ...]) -> dict[str, Any]:
    asked = json.loads(json.dumps(dataclasses.asdict(Question(**question))))
    told: dict[str, Any] = json.loads(json.dumps(look(node.node(), asked)))
    return told


def test_every_fact_is_told_and_no_other(node: Pretended) -> None:
    assert set(facts(node)) == {field.name for field in dataclasses.fields(Facts)}


def test_a_root_with_nothing_in_it_has_facts_too(tmp_path: Path) -> None:
    told = look(
        Node(str(tmp_path), Commands(str(tmp_path))), dataclasses.asdict(Question(files=("/a",), units=("b.service",)))
    )
    assert told["files"] == told["units"] == told["packages"] == {}
    assert (told["host_name"], told["architecture"], told["agent"], told["interfaces"]) == ("", "", None, [])


def test_files_secrets_and_links(node: Pretended) -> None:
    node.put("/etc/a.conf", "a = ä\n", 0o640)
    node.put("/etc/key", "secret", 0o600)
    node.put("/etc/long", "x" * (LONGEST_FILE + 1))
    node.at("/etc/link").symlink_to("a.conf")
    told = facts(
        node,
        files=("/etc/a.conf", "/etc/long", "/etc/none", "/etc", "/etc/link"),
        secrets=("/etc/key",),
        links=("/etc/link", "/etc/a.conf"),
    )
    files = told["files"]
    assert set(files) == {"/etc/a.conf", "/etc/key", "/etc/long", "/etc", "/etc/link"}
    assert files["/etc/a.conf"]["mode"] == 0o640
    assert files["/etc/a.conf"]["owner"] == "root:root", "the pretended root is whoever runs this"
    assert files["/etc/a.conf"]["content"] == "YSA9IMOkCg=="
    assert files["/etc/key"]["digest"] == hashlib.sha256(b"secret").hexdigest()
    assert files["/etc/key"]["content"] is None
    assert files["/etc/long"]["content"] is None
    assert files["/etc"]["digest"] == files["/etc/link"]["digest"] == ""
    assert told["links"] == {"/etc/link": "a.conf"}


def test_packages_and_units_are_each_asked_once(node: Pretended) -> None:
    node.unit("a.service", enabled="enabled", active="active")
    told = facts(node, packages=("dpkg", "libc6", "zsh"), units=("a.service", "none.service"))
    assert told["packages"] == {"dpkg": "1.21", "libc6": "2.1"}
    assert told["units"] == {
        "a.service": {"load": "loaded", "enabled": "enabled", "active": "active"},
        "none.service": {"load": "not-found", "enabled": "", "active": "inactive"},
    }
    assert sorted((node.home / "asked").read_text().split()) == ["dpkg-query", "systemctl"]
    assert (told["architecture"], told["packages_broken"]) == ("amd64", False)


def test_settings_stamps_blobs_and_groups(node: Pretended) -> None:
    node.put("/proc/sys/net/ipv4/tcp_rmem", "1\t2\t3\n")
    node.do(stamp("agent", "7"), stamp("empty", ""))
    node.put("/var/lib/picluster/blobs/abc", "")
    told = facts(
        node,
        sysctls=("net.ipv4.tcp_rmem", "net.none"),
        stamps=("agent", "empty", "none"),
        blobs=("abc", "def"),
        groups=("pi", "nobody-here"),
    )
    assert told["sysctls"] == {"net.ipv4.tcp_rmem": "1 2 3"}
    assert told["stamps"] == {"agent": "7", "empty": ""}
    assert told["blobs"] == ["abc"]
    assert told["groups"] == {"pi": ["gpio", "pi", "video"]}


def test_the_board_and_its_system(node: Pretended) -> None:
    node.put("/etc/os-release", 'ID=debian\nVERSION_CODENAME="bookworm"\n')
    node.put("/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    node.put("/proc/device-tree/serial-number", "abc\0")
    node.put("/proc/meminfo", "MemTotal:        1024 kB\nMemFree: 3 kB\n")
    node.put("/proc/uptime", "12.5 40.0\n")
    node.put("/etc/default/locale", '#\nLANG="en_GB.UTF-8"\n')
    node.put("/run/reboot-required", "")
    node.at("/etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    told = facts(node)
    assert told["model"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert (told["serial"], told["memory_bytes"], told["uptime_s"]) == ("abc", 1024 * 1024, 12.5)
    assert (told["system"], told["release"], told["host_name"]) == ("debian", "bookworm", "raspberrypi")
    assert (told["time_zone"], told["locale"], told["reboot_required"]) == ("Europe/Berlin", "en_GB.UTF-8", True)
    assert told["free_bytes"] > 0
    assert told["python"].startswith("3.")


def test_interfaces(node: Pretended) -> None:
    node.play("ip", f"print({ADDRESSES!r})")
    for name, flags in (("eth0", "0x1003"), ("wlan0", "0x1002"), ("lo", "0x9")):
        node.put(f"/sys/class/net/{name}/flags", flags)
        node.put(f"/sys/class/net/{name}/address", "dc:a6:32:00:00:01\n")
    node.at("/sys/class/net/wlan0/wireless").mkdir()
    wired, wireless = facts(node)["interfaces"]
    assert wired == {
        "name": "eth0",
        "mac": "dc:a6:32:00:00:01",
        "addresses": ["192.168.1.21/24", "fe80::1/64"],
        "wireless": False,
        "up": True,
    }
    assert (wireless["name"], wireless["wireless"], wireless["up"], wireless["addresses"]) == ("wlan0", True, False, [])
    (node.programs / "ip").unlink()
    assert [one["addresses"] for one in facts(node)["interfaces"]] == [[], []]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ""),
        ({"/usr/bin/cloud-init": ""}, "not run"),
        ({"/usr/bin/cloud-init": "", "/run/cloud-init/enabled": ""}, "running"),
        ({"/usr/bin/cloud-init": "", "/etc/cloud/cloud-init.disabled": ""}, "disabled"),
        ({"/usr/bin/cloud-init": "", "/run/cloud-init/result.json": '{"v1": {"errors": []}}'}, "done"),
        ({"/usr/bin/cloud-init": "", "/run/cloud-init/result.json": '{"v1": {"errors": ["x"]}}'}, "error"),
        ({"/usr/bin/cloud-init": "", "/run/cloud-init/result.json": "half"}, "error"),
    ],
)
def test_cloud_init(node: Pretended, files: dict[str, str], said: str) -> None:
    for path, text in files.items():
        node.put(path, text)
    assert facts(node)["cloud_init"] == said


def test_whether_the_clock_is_right_is_asked_of_who_keeps_it(node: Pretended) -> None:
    node.play("timedatectl", "print('yes')")
    assert facts(node)["synchronised"] is False, "nobody keeps it"
    node.put("/run/chrony/chronyd.pid", "1")
    assert facts(node)["synchronised"] is True
    node.play("timedatectl", "print('no')")
    assert facts(node)["synchronised"] is False
    node.put("/run/systemd/timesync/synchronized", "")
    assert facts(node)["synchronised"] is True


@contextmanager
def answering(answer: bytes) -> Iterator[Pretended]:
    """A node with a control socket that gives one answer. Its name has to be short (man 7 unix)."""
    with TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        node = Pretended(Path(directory))
        node.at("/run/picluster").mkdir()
        listener.bind(str(node.at("/run/picluster/agent.sock")))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield node
        thread.join(10)


STATUS = {
    "node": "pi1",
    "epoch": 3,
    "cluster": {"cluster": "home", "nodes": [{"name": "pi2", "version": "9"}, {"name": "pi1", "version": "0.1.0"}]},
}


def test_the_agent_says_who_it_is() -> None:
    with answering(json.dumps({"ok": True, "status": STATUS}).encode() + b"\n") as node:
        told = facts(node)["agent"]
    assert told == {"version": "0.1.0", "node": "pi1", "cluster": "home", "epoch": 3, "configuration": ""}


@pytest.mark.parametrize("answer", [b"", b"{}\n", b"hello\n", b'{"ok": true, "status": {"node": 1}}\n'])
def test_what_is_no_agent_is_none(answer: bytes) -> None:
    with answering(answer) as node:
        assert facts(node)["agent"] is None


def test_files_that_were_written_are_told_as_they_were_asked_for(node: Pretended) -> None:
    node.do(write("/etc/app.conf", b"x", mode=0o600, owner=OWN))
    told = facts(node, files=("/etc/app.conf",))["files"]["/etc/app.conf"]
    assert (told["mode"], told["digest"]) == (0o600, hashlib.sha256(b"x").hexdigest())
