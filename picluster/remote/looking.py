"""What the node is like: everything that `provision.facts.Facts` has, in one look that costs as little as it can.

Nearly all of it is read from files, the kernel's among them. Programs are asked four questions at most, whatever is wanted:
dpkg for all packages, systemd for all units, `ip` for all addresses, and the clock's keeper, if it is not the usual one.
Where a program is missing, what it would have said is empty. apt is never asked, nor is the Python of cloud-init: either
would take longer than all the rest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from picluster.remote.dpkg import Packages, holder_of_lock
from picluster.remote.kernel import setting
from picluster.remote.node import Node
from picluster.remote.talking import Talk
from picluster.remote.units import look_at_units

__all__ = ["look", "serve"]

Fact = dict[str, Any]
LONGEST_FILE = 64 * 1024
"""What is longer is told with its digest only."""
AGENT = "/run/picluster/agent.sock"
AGENT_S = 1.0
LONGEST_STATUS = 1 << 20
UP = 0x1
"""IFF_UP, linux/if.h."""
SYNCHRONISED = "/run/systemd/timesync/synchronized"
OTHER_CLOCKS = ("/run/chrony", "/run/ntpd.pid", "/run/ntpsec", "/run/openntpd")
"""What shows that something else than systemd-timesyncd keeps the clock."""


def serve(talk: Talk, node: Node, request: dict[str, Any]) -> None:
    """The request `facts`."""
    talk.say("facts", facts=look(node, request.get("question", {})))


def look(node: Node, question: dict[str, list[str]]) -> Fact:
    """The fields of `Facts`, as JSON has them."""
    packages = Packages(node)
    return {
        **_system(node, packages),
        **_board(node),
        **_boot(node),
        **_root(node),
        **_settings(node),
        "interfaces": _interfaces(node),
        "agent": _agent(node.at(AGENT)),
        "files": _files(node, question),
        "packages": _chosen(question, "packages", packages.installed.get),
        "units": _chosen(question, "units", _units(node, question.get("units", ())).get),
        "sysctls": _chosen(question, "sysctls", lambda name: setting(node, name)),
        "stamps": _chosen(question, "stamps", lambda name: _stamp(node, name)),
        "blobs": [digest for digest in question.get("blobs", ()) if node.state(f"blobs/{digest}").exists()],
        "links": _chosen(question, "links", lambda path: _target(node.at(path))),
        "groups": _chosen(question, "groups", node.groups_of),
    }


def _chosen(question: dict[str, list[str]], kind: str, fact: Callable[[str], object]) -> Fact:
    """What is asked for by name, where there is an answer."""
    found = {name: fact(name) for name in question.get(kind, ())}
    return {name: value for name, value in found.items() if value is not None}


def _system(node: Node, packages: Packages) -> Fact:
    said = dict(line.split("=", 1) for line in node.text("/etc/os-release").splitlines() if "=" in line)
    return {
        "host_name": node.text("/proc/sys/kernel/hostname"),
        "system": said.get("ID", "").strip('"'),
        "release": said.get("VERSION_CODENAME", "").strip('"'),
        "architecture": packages.architecture,
        "python": ".".join(map(str, sys.version_info[:3])),
        "libc": _libc(),
        "package_lock": holder_of_lock(node),
        "packages_broken": packages.broken,
        "reboot_required": node.at("/run/reboot-required").exists(),
    }


def _libc() -> str:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2]
    except ValueError:  # another C library
        return ""


def _board(node: Node) -> Fact:
    return {
        "model": node.text("/proc/device-tree/model") or node.text("/sys/class/dmi/id/product_name"),
        "serial": node.text("/proc/device-tree/serial-number") or node.text("/sys/class/dmi/id/product_serial"),
        "machine_id": node.text("/etc/machine-id"),
    }


def _boot(node: Node) -> Fact:
    uptime = node.text("/proc/uptime").split()
    memory = [line.split()[1] for line in node.text("/proc/meminfo").splitlines() if line.startswith("MemTotal:")]
    return {
        "boot_id": node.text("/proc/sys/kernel/random/boot_id"),
        "uptime_s": float(uptime[0]) if uptime else 0.0,
        "clock_s": time.time(),
        "memory_bytes": int(memory[0]) * 1024 if memory else 0,
        "command_line": node.text("/proc/cmdline"),
    }


def _root(node: Node) -> Fact:
    found = os.statvfs(node.at("/"))
    return {"free_bytes": found.f_bavail * found.f_frsize, "read_only": bool(found.f_flag & os.ST_RDONLY)}


def _settings(node: Node) -> Fact:
    zone = _target(node.at("/etc/localtime")) or ""
    locale = f"{node.text('/etc/default/locale')}\n{node.text('/etc/locale.conf')}".splitlines()
    return {
        "time_zone": zone.partition("zoneinfo/")[2] or node.text("/etc/timezone"),
        "locale": next((line[len("LANG=") :].strip('"') for line in locale if line.startswith("LANG=")), ""),
        "synchronised": _synchronised(node),
        "cloud_init": _cloud_init(node),
    }


def _synchronised(node: Node) -> bool:
    """systemd-timesyncd leaves a file. Of others systemd asks the kernel; that has to be started first, so only then."""
    if node.at(SYNCHRONISED).exists():
        return True
    if not any(node.at(path).exists() for path in OTHER_CLOCKS):
        return False
    said = node.commands.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return (said or "").strip() == "yes"


def _cloud_init(node: Node) -> str:
    """From what it leaves (cloud-init's documentation, "Reported status"): asking itself takes a second on a Pi."""
    if not node.at("/usr/bin/cloud-init").exists():
        return ""
    if any(node.at(path).exists() for path in ("/etc/cloud/cloud-init.disabled", "/run/cloud-init/disabled")):
        return "disabled"
    if not node.at("/run/cloud-init/result.json").exists():
        return "running" if node.at("/run/cloud-init/enabled").exists() else "not run"
    try:
        errors = json.loads(node.text("/run/cloud-init/result.json"))["v1"]["errors"]
    except (ValueError, TypeError, LookupError):
        return "error"
    return "error" if errors else "done"


def _interfaces(node: Node) -> list[Fact]:
    """All but the loopback."""
    try:
        told = json.loads(node.commands.ask("ip", "-json", "address", "show") or "[]")
    except ValueError:
        told = []
    addresses = {link.get("ifname"): link.get("addr_info", ()) for link in told if link}
    network = node.at("/sys/class/net")
    names = sorted(path.name for path in network.iterdir()) if network.is_dir() else []
    return [_interface(node, name, addresses.get(name, ())) for name in names if name != "lo"]


def _interface(node: Node, name: str, addresses: Iterable[Fact]) -> Fact:
    place = f"/sys/class/net/{name}"
    flags = node.text(f"{place}/flags") or "0"
    return {
        "name": name,
        "mac": node.text(f"{place}/address"),
        "addresses": [f"{one['local']}/{one['prefixlen']}" for one in addresses if "local" in one],
        "wireless": any(node.at(f"{place}/{sign}").exists() for sign in ("wireless", "phy80211")),
        "up": bool(int(flags, 16) & UP) and node.text(f"{place}/carrier") != "0",
    }


def _agent(place: Path) -> Fact | None:
    """What it says of itself; None where none answers in time."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(AGENT_S)
            connection.connect(str(place))
            connection.sendall(b'{"do": "status"}\n')
            answer = b""
            while not answer.endswith(b"\n") and len(answer) < LONGEST_STATUS:
                chunk = connection.recv(1 << 16)
                if not chunk:
                    break
                answer += chunk
        return _agent_fact(json.loads(answer)["status"])
    except (OSError, ValueError, TypeError, LookupError):
        return None


def _agent_fact(status: Fact) -> Fact:
    own = [node for node in status["cluster"]["nodes"] if node["name"] == status["node"]]
    return {
        "version": str(own[0]["version"]) if own else "",
        "node": str(status["node"]),
        "cluster": str(status["cluster"]["cluster"]),
        "epoch": int(status["epoch"]),
        "configuration": str(status.get("configuration", "")),
    }


def _files(node: Node, question: dict[str, list[str]]) -> Fact:
    users = {number: name for name, number in node.users().items()}
    groups = {number: name for name, number in node.groups().items()}
    told = {path: _file(node.at(path), users, groups, True) for path in question.get("files", ())}
    told.update({path: _file(node.at(path), users, groups, False) for path in question.get("secrets", ())})
    return {path: fact for path, fact in told.items() if fact is not None}


def _file(place: Path, users: dict[int, str], groups: dict[int, str], with_content: bool) -> Fact | None:
    try:
        found = place.lstat()
        content = place.read_bytes() if stat.S_ISREG(found.st_mode) else None
    except OSError:
        return None
    shown = with_content and content is not None and len(content) <= LONGEST_FILE
    return {
        "digest": "" if content is None else hashlib.sha256(content).hexdigest(),
        "mode": stat.S_IMODE(found.st_mode),
        "owner": f"{users.get(found.st_uid, found.st_uid)}:{groups.get(found.st_gid, found.st_gid)}",
        "content": base64.b64encode(content).decode() if shown and content is not None else None,
    }


def _units(node: Node, names: Iterable[str]) -> Fact:
    found = look_at_units(node, names)
    return {
        name: {"load": unit["LoadState"], "enabled": unit["UnitFileState"], "active": unit["ActiveState"]}
        for name, unit in found.items()
    }


def _stamp(node: Node, name: str) -> str | None:
    place = node.state(f"stamps/{name}")
    return place.read_text(encoding="utf-8") if place.is_file() else None


def _target(place: Path) -> str | None:
    try:
        return os.fspath(place.readlink())
    except OSError:
        return None
