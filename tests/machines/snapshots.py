"""What is on a Pi's card, so that two moments can be compared: for "this changed nothing" and "nothing of it is left".

Times are not compared, and neither is what lives in memory (/run, /tmp, /proc): a snapshot is of the card.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.lab.fresh import FreshWorld

__all__ = ["Snapshot", "differences", "snapshot"]


@dataclass(frozen=True, slots=True)
class Entry:
    kind: str
    mode: int
    owner: tuple[int, int]
    content: str
    """The digest of a file, the target of a link."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    entries: dict[str, Entry]
    """By absolute path. The digest of a file that was never written to is empty: it lies in a layer below."""
    layers: tuple[Path, ...]

    def below(self, path: str) -> str:
        """The digest of the file that was there before anybody wrote to it."""
        found = next((layer / path.lstrip("/") for layer in self.layers if (layer / path.lstrip("/")).exists()), None)
        return _digest(found) if found else ""


def snapshot(world: FreshWorld, name: str) -> Snapshot:
    """Of a Pi that was plugged in at least once, with or without power."""
    root, written = world.pi(name).root, world.written(name)
    entries = {f"/{path.relative_to(root)}": _entry(path, written / path.relative_to(root)) for path in _walk(root)}
    return Snapshot(entries, world.layers)


def differences(before: Snapshot, after: Snapshot, but: Sequence[str] = ()) -> list[str]:
    """What is different, one line a path; paths that one of these patterns matches are not looked at."""
    found = []
    for path in sorted(before.entries.keys() | after.entries.keys()):
        old, new = before.entries.get(path), after.entries.get(path)
        if old == new or any(re.fullmatch(pattern, path) for pattern in but):
            continue
        if old is None or new is None:
            found.append(f"{path}: {'new' if old is None else 'gone'}")
        elif (old.kind, old.mode, old.owner) != (new.kind, new.mode, new.owner):
            found.append(f"{path}: {old.kind} {old.mode:o} {old.owner} → {new.kind} {new.mode:o} {new.owner}")
        elif (old.content or before.below(path)) != (new.content or after.below(path)):
            found.append(f"{path}: other content")
    return found


def _walk(directory: Path) -> Iterator[Path]:
    with os.scandir(directory) as entries:
        for entry in entries:
            path = Path(entry.path)
            yield path
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path)


def _entry(path: Path, written: Path) -> Entry:
    told = path.lstat()
    content = ""
    if stat.S_ISLNK(told.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(told.st_mode) and written.exists():
        content = _digest(path)
    return Entry(stat.filemode(told.st_mode)[0], stat.S_IMODE(told.st_mode), (told.st_uid, told.st_gid), content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
