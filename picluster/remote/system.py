"""Small steps: the host's name, a setting of the running kernel, a stamp, and any command."""

from __future__ import annotations

import os
from typing import Any

from picluster.remote.accounts import remember_accounts
from picluster.remote.failure import Failure, unwritable
from picluster.remote.files import put_file, write_content
from picluster.remote.kernel import set_setting, setting
from picluster.remote.manifest import private
from picluster.remote.work import Work

__all__ = ["change_host_name", "change_setting", "run", "stamp"]

HOST_NAME, HOSTS = "/etc/hostname", "/etc/hosts"
KERNELS_NAME = "/proc/sys/kernel/hostname"
OWN_ADDRESS = "127.0.1.1"
"""Debian's, for a host whose address may change (Debian reference, 5.1.1)."""
CHANGES = {"locale-gen": ("/usr/lib/locale/locale-archive",)}
"""Files that a command is known to change: kept before it is run, like any."""


def change_host_name(work: Work, step: dict[str, Any]) -> bool:
    """The step `host_name`: /etc/hosts first, since sudo looks the name up there that the kernel says."""
    name, node = str(step["name"]), work.node
    now, owner = node.text(KERNELS_NAME), f"{os.geteuid()}:{os.getegid()}"
    changed = write_content(work, HOSTS, _hosts(node.text(HOSTS), name).encode(), 0o644, owner)
    changed |= write_content(work, HOST_NAME, f"{name}\n".encode(), 0o644, owner)
    if now != name:
        work.manifest.add({"kind": "host_name", "name": KERNELS_NAME, "value": now})
        node.commands.run("hostname", name)
    return changed or now != name


def change_setting(work: Work, step: dict[str, Any]) -> bool:
    """The step `sysctl`. Raises Failure where the kernel knows no such, or does not take that value."""
    name, value = str(step["name"]), str(step["value"])
    now = setting(work.node, name)
    if now is None:
        raise Failure(f"the kernel of this node has no setting {name}; a module may be missing")
    if now == " ".join(value.split()):
        return False
    work.manifest.add({"kind": "sysctl", "name": name, "value": now})
    set_setting(work.node, name, value)
    return True


def stamp(work: Work, step: dict[str, Any]) -> bool:
    """The step `stamp`."""
    name, value = str(step["name"]), str(step["value"])
    if "/" in name or name.startswith("."):
        raise Failure(f"{name!r} is no name for a stamp")
    try:
        place = private(work.node, "stamps") / name
        if place.exists() and place.read_bytes() == value.encode():
            return False
        put_file(place, value.encode(), 0o600)
    except OSError as error:
        raise unwritable(f"the stamp {name}", error) from error
    return True


def run(work: Work, step: dict[str, Any]) -> bool:
    """The step `run`. What it changed only the command knows, so it always counts as a change."""
    words = [str(word) for word in step["words"]]
    remember_accounts(work, words)
    for path in CHANGES.get(words[0].rpartition("/")[2], ()):
        work.manifest.keep(path)
    work.node.commands.run(*words, tell=work.tell)
    return True


def _hosts(text: str, name: str) -> str:
    """The same with this node's own line in it: in the place of the old one, else after that of 127.0.0.1, else first."""
    lines = text.splitlines()
    own = [index for index, line in enumerate(lines) if line.split()[:1] == [OWN_ADDRESS]]
    line = f"{OWN_ADDRESS}\t{name}"
    if own:
        lines = [one for index, one in enumerate(lines) if index not in own[1:]]
        if name not in lines[own[0]].split("#")[0].split()[1:]:
            lines[own[0]] = line
    else:
        local = [index for index, one in enumerate(lines) if one.split()[:1] == ["127.0.0.1"]]
        lines.insert(local[-1] + 1 if local else 0, line)
    return "\n".join([*lines, ""])
