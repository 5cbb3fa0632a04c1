"""The memory of what was on a node before: written before each change, so that a cut leaves nothing unknown.

    /var/lib/picluster/manifest.jsonl    an entry a line, in the order of the changes; only ever appended to
    /var/lib/picluster/kept/DIGEST       what a file said; the digest is that of its path

An entry is synced before what it announces is done (man 2 fsync). A last line without its end was cut off before that, and
means nothing. What is there already when a path is touched for the first time is kept, and never again: it is what the node
was like before us. `picluster.remote.undoing` reads all this backwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picluster.remote.failure import Failure, unwritable
from picluster.remote.node import STATE, Node

__all__ = ["Entry", "Manifest", "private", "synced"]

Entry = dict[str, Any]
"""`kind` and `name`, and by its kind what is needed to undo it."""
UNIT_PLACES = ("/etc/systemd/system", "/usr/lib/systemd/system")


class Manifest:
    def __init__(self, node: Node) -> None:
        """Reads what there is. Raises Failure where that is damaged."""
        self._node = node
        self._file = node.state("manifest.jsonl")
        whole = self._read()
        self._length = len(whole)
        self.entries = [_entry(number, line) for number, line in enumerate(whole.splitlines(), 1)]
        self._known = {_key(entry) for entry in self.entries}

    def keep(self, path: str) -> None:
        """What stands at this path is about to change, or nothing stands there: remember it, the first time."""
        if ("path", path) in self._known:
            return
        try:
            before = self._before(path, self._node.at(path))
        except OSError as error:
            raise unwritable(f"{STATE}/kept", error) from error
        self.add({"kind": "path", "name": path, "before": before})

    def remember_unit(self, name: str, now: Mapping[str, str]) -> None:
        """The unit is about to be changed. One whose file is ours was not there before."""
        ours = any(self.brought("path", f"{place}/{name}") for place in UNIT_PLACES)
        there = now["LoadState"] != "not-found" and not ours
        enabled, active = (now["UnitFileState"], now["ActiveState"]) if there else ("", "inactive")
        self.add({"kind": "unit", "name": name, "there": there, "enabled": enabled, "active": active})

    def add(self, *entries: Entry) -> None:
        """Write them down, but for those whose kind and name are there already. Raises Failure where that cannot be."""
        new = [entry for entry in entries if _key(entry) not in self._known]
        if not new:
            return
        try:
            self._append(b"".join(json.dumps(entry).encode() + b"\n" for entry in new))
        except OSError as error:
            raise unwritable(f"{STATE}/manifest.jsonl", error) from error
        self.entries += new
        self._known |= {_key(entry) for entry in new}

    def brought(self, kind: str, name: str) -> bool:
        """Whether it is ours: it has an entry, and nothing stood in its place before."""
        return any(_key(entry) == (kind, name) and entry.get("before") is None for entry in self.entries)

    def _before(self, path: str, place: Path) -> dict[str, Any] | None:
        try:
            found = place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISLNK(found.st_mode):
            return {"type": "link", "target": os.fspath(place.readlink())}
        about = {"mode": stat.S_IMODE(found.st_mode), "owner": f"{found.st_uid}:{found.st_gid}"}
        if stat.S_ISDIR(found.st_mode):
            return {"type": "directory", **about}
        if not stat.S_ISREG(found.st_mode):
            raise Failure(f"{path} is no file that could be kept; move it away, then run this again")
        return {"type": "file", **about, "mtime_ns": found.st_mtime_ns, "kept": self._copy(path, place.read_bytes())}

    def _copy(self, path: str, content: bytes) -> str:
        """Under a name that its path gives: a cut between copy and entry leaves a copy that the next one replaces."""
        name = hashlib.sha256(path.encode()).hexdigest()[:16]
        kept = private(self._node, "kept")
        descriptor = os.open(kept / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        synced(kept)
        return name

    def _append(self, lines: bytes) -> None:
        parent = private(self._node, "")
        new = not self._file.exists()
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.truncate(self._length)  # what a cut, or a full disk, has left of a line
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if new:
            synced(parent)
        self._length += len(lines)

    def _read(self) -> bytes:
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return b""
        return content[: content.rfind(b"\n") + 1]


def private(node: Node, name: str) -> Path:
    """A directory of ours, made where it is missing, and for root's eyes only: what is in it may be secret."""
    for directory in (node.at(STATE), node.state(name)):
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True)
            synced(directory.parent)
    return directory


def synced(directory: Path) -> None:
    """The names in it are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _key(entry: Entry) -> tuple[str, str]:
    return entry["kind"], entry["name"]


def _entry(number: int, line: bytes) -> Entry:
    try:
        entry: Entry = json.loads(line)
        _key(entry)
    except (ValueError, TypeError, LookupError):
        raise Failure(
            f"line {number} of {STATE}/manifest.jsonl is damaged, so it is not known any more what was there before us. "
            "Mend that line, or remove it and lose what it says"
        ) from None
    return entry
