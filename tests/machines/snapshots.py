"""What is on a Pi's card, so that two moments can be compared: for "this changed nothing" and "nothing of it is left".

Times are not compared, and neither is what lives in memory (/run, /tmp, /proc): a snapshot is of the card. Where nobody has
written yet, all is as in the layers below, so only directories with something of the card's own are looked into.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from picluster.lab.fresh import FreshWorld

__all__ = ["Snapshot", "differences", "snapshot"]


@dataclass(frozen=True, slots=True)
class Entry:
    kind: str
    mode: int
    owner: tuple[int, int]
    content: str
    """The digest of a file, the target of a link; of a file that nobody has written to it is empty."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    layers: tuple[Path, ...]
    """Below the card's own."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """By absolute path, of all that is in these directories."""
    directories: set[str] = field(default_factory=set)

    def paths(self) -> set[str]:
        """All that is in those directories, or would be if nobody had removed it."""
        below = {
            f"{place.rstrip('/')}/{name}"
            for place in self.directories
            for layer in self.layers
            if (directory := layer / place.lstrip("/")).is_dir()
            for name in os.listdir(directory)  # noqa: PTH208  their names are all that is wanted
        }
        return below | self.entries.keys()

    def entry(self, path: str) -> Entry | None:
        if path in self.entries or str(PurePosixPath(path).parent) in self.directories:
            return self.entries.get(path)
        below = self._below(path)
        return _entry(below.lstat(), below) if below else None

    def digest(self, path: str, entry: Entry) -> str:
        below = self._below(path)
        return entry.content or (_digest(below) if entry.kind == "-" and below else "")

    def _below(self, path: str) -> Path | None:
        return next((place for layer in self.layers if os.path.lexists(place := layer / path.lstrip("/"))), None)


def snapshot(world: FreshWorld, name: str) -> Snapshot:
    """Of a Pi that was plugged in at least once, with or without power."""
    taken = Snapshot(world.layers)
    _look(taken, "/", world.pi(name).root, world.written(name))
    return taken


def differences(before: Snapshot, after: Snapshot, but: Sequence[str] = ()) -> list[str]:
    """What is different, one line a path; paths that one of these patterns matches are not looked at."""
    found = []
    for path in sorted(before.paths() | after.paths()):
        old, new = before.entry(path), after.entry(path)
        if old == new or any(re.fullmatch(pattern, path) for pattern in but):
            continue
        if old is None or new is None:
            found.append(f"{path}: {'new' if old is None else 'gone'}")
        elif (old.kind, old.mode, old.owner) != (new.kind, new.mode, new.owner):
            found.append(f"{path}: {old.kind} {old.mode:o} {old.owner} → {new.kind} {new.mode:o} {new.owner}")
        elif before.digest(path, old) != after.digest(path, new):
            found.append(f"{path}: other content")
    return found


def _look(taken: Snapshot, place: str, directory: Path, written: Path) -> None:
    taken.directories.add(place)
    with os.scandir(directory) as entries:
        for entry in entries:
            path, own = f"{place.rstrip('/')}/{entry.name}", written / entry.name
            told = entry.stat(follow_symlinks=False)
            touched = os.path.lexists(own)
            taken.entries[path] = _entry(told, Path(entry.path), whole=touched)
            if touched and stat.S_ISDIR(told.st_mode):
                _look(taken, path, Path(entry.path), own)


def _entry(told: os.stat_result, path: Path, *, whole: bool = False) -> Entry:
    content = ""
    if stat.S_ISLNK(told.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(told.st_mode) and whole:
        content = _digest(path)
    return Entry(stat.filemode(told.st_mode)[0], stat.S_IMODE(told.st_mode), (told.st_uid, told.st_gid), content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
