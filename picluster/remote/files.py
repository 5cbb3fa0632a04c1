"""Files, links and directories, put in place so that whoever looks finds the old one or the new one, never half of either.

A new file is written beside its place, has its owner and mode, and is forced to the disk before it takes the name (man 2
rename, man 2 fsync); then the directory is. The name beside is always the same, so a cut leaves one file at most, and the
next run replaces it.

The FAT partition of a Pi's card keeps neither modes nor owners. There a file may have what all files have, as long as
anybody was to read it anyway.
"""

from __future__ import annotations

import base64
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from picluster.remote.failure import Failure, unwritable
from picluster.remote.manifest import synced
from picluster.remote.work import Work

__all__ = [
    "beside",
    "change_directory",
    "change_link",
    "make_parents",
    "note",
    "put_file",
    "put_link",
    "remove",
    "set_about",
    "write",
    "write_content",
]

UNIT_FILES = tuple(f"{place}/systemd/system/" for place in ("/etc", "/run", "/lib", "/usr/lib"))
OTHERS_READ = 0o044


def write(work: Work, step: dict[str, Any]) -> bool:
    """The step `write`."""
    return write_content(work, step["path"], base64.b64decode(step["content"]), step["mode"], step["owner"])


def write_content(work: Work, path: str, content: bytes, mode: int, owner: str) -> bool:
    """The file has this content, mode and owner; returns whether it had not. Raises Failure, and then it is as it was."""
    place, numbers = work.node.at(path), work.node.owner(owner)
    try:
        found = _found(place)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise Failure(f"{path} is a directory, and should be a file; move it away, then run this again")
        if found is not None and stat.S_ISREG(found.st_mode) and place.read_bytes() == content:
            return _change_about(work, path, place, mode, numbers)
        make_parents(work, path)
        work.manifest.keep(path)
        put_file(place, content, mode, numbers)
    except OSError as error:
        raise unwritable(path, error) from error
    note(work, path)
    return True


def remove(work: Work, step: dict[str, Any]) -> bool:
    """The step `remove`. An environment of ours goes as a whole; other directories only where they are empty."""
    path = step["path"]
    place = work.node.at(path)
    try:
        found = _found(place)
        if found is None:
            return False
        if work.manifest.brought("environment", path):
            shutil.rmtree(place)
        else:
            work.manifest.keep(path)
            if stat.S_ISDIR(found.st_mode):
                place.rmdir()
            else:
                place.unlink()
        synced(place.parent)
    except OSError as error:
        raise Failure(f"{path} cannot be removed: {error.strerror}") from error
    note(work, path)
    return True


def change_directory(work: Work, step: dict[str, Any]) -> bool:
    """The step `directory`."""
    path, mode, numbers = step["path"], step["mode"], work.node.owner(step["owner"])
    place = work.node.at(path)
    try:
        found = _found(place)
        if found is not None:
            if not stat.S_ISDIR(found.st_mode):
                raise Failure(f"{path} is there, and is no directory; move it away, then run this again")
            return _change_about(work, path, place, mode, numbers)
        make_parents(work, path)
        _make_directory(work, path, mode)
        set_about(place, mode, numbers)
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def change_link(work: Work, step: dict[str, Any]) -> bool:
    """The step `link`."""
    path, target = step["path"], step["target"]
    place = work.node.at(path)
    try:
        found = _found(place)
        if found is not None and stat.S_ISLNK(found.st_mode) and os.fspath(place.readlink()) == target:
            return False
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise Failure(f"{path} is a directory, and should be a link; move it away, then run this again")
        make_parents(work, path)
        work.manifest.keep(path)
        put_link(place, target)
    except OSError as error:
        raise unwritable(path, error) from error
    note(work, path)
    return True


def make_parents(work: Work, path: str) -> None:
    """The directories above a path; those that are missing are ours."""
    words = path.split("/")[1:-1]
    for length in range(1, len(words) + 1):
        parent = "/" + "/".join(words[:length])
        if not work.node.at(parent).is_dir():
            _make_directory(work, parent, 0o755)


def put_file(
    place: Path, content: bytes, mode: int, numbers: tuple[int, int] | None = None, mtime_ns: int | None = None
) -> None:
    """Whatever was there, this is; without `numbers` it belongs to whoever runs this. Raises OSError, and then nothing has
    changed."""
    new = beside(place)
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            set_about(new, mode, numbers)
            if mtime_ns is not None:
                os.utime(new, ns=(mtime_ns, mtime_ns))
            os.fsync(file.fileno())
        new.replace(place)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    synced(place.parent)


def put_link(place: Path, target: str) -> None:
    """Whatever was there, but a directory, this link is. Raises OSError."""
    new = beside(place)
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(place)
    synced(place.parent)


def beside(place: Path) -> Path:
    """Where the next one is made."""
    return place.with_name(f".{place.name}.picluster-new")


def _found(place: Path) -> os.stat_result | None:
    try:
        return place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _make_directory(work: Work, path: str, mode: int) -> None:
    work.manifest.keep(path)
    place = work.node.at(path)
    place.mkdir(mode=mode)
    synced(place.parent)


def _change_about(work: Work, path: str, place: Path, mode: int, numbers: tuple[int, int]) -> bool:
    """Mode and owner alone."""
    before = _about(place)
    if before == (mode, *numbers):
        return False
    work.manifest.keep(path)
    set_about(place, mode, numbers)
    return _about(place) != before


def _about(place: Path) -> tuple[int, int, int]:
    found = place.lstat()
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def set_about(place: Path, mode: int, numbers: tuple[int, int] | None) -> None:
    """Mode and owner. The owner first: giving a file away takes the bits from its mode that lend its owner's rights (man 2
    chown)."""
    try:
        if numbers is not None and _about(place)[1:] != numbers:
            os.chown(place, *numbers)
        if _about(place)[0] != mode:
            place.chmod(mode)
    except PermissionError:
        if mode & OTHERS_READ != OTHERS_READ or os.geteuid() != 0:
            raise


def note(work: Work, path: str) -> None:
    """It has changed; who has read it may have to be told."""
    work.units_written |= path.startswith(UNIT_FILES)
