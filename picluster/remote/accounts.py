"""Users and groups that systemd-sysusers makes (man 5 sysusers.d): remembered before, so that they can go again.

Only those that its files name, and that were not there. What the tools for accounts leave beside the accounts, copies of
their files and a lock, is kept like any file.
"""

from __future__ import annotations

from collections.abc import Sequence

from picluster.remote.manifest import Entry
from picluster.remote.work import Work

__all__ = ["remember_accounts", "remove_group", "remove_member", "remove_user"]

LEFT_BESIDE = ("/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/.pwd.lock")


def remember_accounts(work: Work, words: Sequence[str]) -> None:
    """Before this command is run: whom it makes, if it is systemd-sysusers with files."""
    if words[0].rpartition("/")[2] != "systemd-sysusers":
        return
    lines = [line.split() for path in words[1:] if path.startswith("/") for line in work.node.text(path).splitlines()]
    entries = [entry for fields in lines if len(fields) > 1 for entry in _entries(work, fields)]
    if entries:
        for path in LEFT_BESIDE:
            work.manifest.keep(path)
        work.manifest.add(*entries)


def remove_user(work: Work, entry: Entry) -> bool:
    """With the group of its name, where nobody else is in that; its home stays, it is in /run."""
    if entry["name"] not in work.node.users():
        return False
    work.node.commands.run("userdel", entry["name"], tell=work.tell)
    return True


def remove_group(work: Work, entry: Entry) -> bool:
    if entry["name"] not in work.node.groups():
        return False
    work.node.commands.run("groupdel", entry["name"], tell=work.tell)
    return True


def remove_member(work: Work, entry: Entry) -> bool:
    user, _, group = entry["name"].partition(":")
    if group not in (work.node.groups_of(user) or ()):
        return False
    work.node.commands.run("gpasswd", "--delete", user, group, tell=work.tell)
    return True


def _entries(work: Work, fields: list[str]) -> list[Entry]:
    """What a line brings that is not there yet. A user comes with a group of its name."""
    kind, name = fields[0].rstrip("!-"), fields[1]
    entries: list[Entry] = []
    if kind in {"u", "g"} and name not in work.node.groups():
        entries.append({"kind": "group", "name": name})
    if kind == "u" and name not in work.node.users():
        entries.append({"kind": "user", "name": name})
    if kind == "m" and len(fields) > 2 and fields[2] not in (work.node.groups_of(name) or ()):
        entries.append({"kind": "member", "name": f"{name}:{fields[2]}"})
    return entries
