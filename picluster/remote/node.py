"""The node as its root sees it: where its files are, who its users are, and its programs.

Everything takes paths as they are on the node, `/etc/hostname`, and finds them below a root that is `/` on a node and any
directory elsewhere. Users are read from that root's own files (man 5 passwd, man 5 group) for the same reason.
"""

from __future__ import annotations

from pathlib import Path

from picluster.remote.commands import Commands
from picluster.remote.failure import Failure

__all__ = ["STATE", "Node"]

STATE = "/var/lib/picluster"
"""What is remembered on a node: the manifest, what was kept, stamps and blobs."""


class Node:
    def __init__(self, root: str = "/", commands: Commands | None = None) -> None:
        self._root = Path(root)
        self.commands = commands or Commands()

    def at(self, path: str) -> Path:
        """Where that is. Raises Failure for what is no absolute path, or leaves its place."""
        if not path.startswith("/") or ".." in path.split("/"):
            raise Failure(f"{path!r} is no absolute path of a node")
        return self._root / path.lstrip("/")

    def text(self, path: str) -> str:
        """What a file says, without white space around it; empty where it does not say anything."""
        try:
            return self.at(path).read_bytes().decode(errors="replace").strip("\0 \n\t")
        except OSError:
            return ""

    def state(self, name: str) -> Path:
        """A place of our own."""
        return self.at(f"{STATE}/{name}")

    def users(self) -> dict[str, int]:
        """The numbers of all."""
        return {fields[0]: int(fields[2]) for fields in self._records("/etc/passwd", 7)}

    def groups(self) -> dict[str, int]:
        return {fields[0]: int(fields[2]) for fields in self._records("/etc/group", 4)}

    def groups_of(self, user: str) -> list[str] | None:
        """Their names, in order; None where there is no such user."""
        own = [fields[3] for fields in self._records("/etc/passwd", 7) if fields[0] == user]
        if not own:
            return None
        records = self._records("/etc/group", 4)
        return sorted(fields[0] for fields in records if fields[2] == own[0] or user in fields[3].split(","))

    def owner(self, words: str) -> tuple[int, int]:
        """The numbers of `user:group`. Raises Failure where the node has no such."""
        user, _, group = words.partition(":")
        return _number(user, self.users(), "user"), _number(group, self.groups(), "group")

    def _records(self, path: str, length: int) -> list[list[str]]:
        records = (line.split(":") for line in self.text(path).splitlines())
        return [fields for fields in records if len(fields) == length and fields[2].isdigit()]


def _number(name: str, known: dict[str, int], kind: str) -> int:
    if name.isdigit():
        return int(name)
    if name not in known:
        raise Failure(f"there is no {kind} {name!r} on this node")
    return known[name]
