"""Replacing a file that matters: whoever opens it finds the old one or the new one, and never half of either.

The new text is written beside the old one and forced to the disk before it takes the name (man 2 rename, man 2 fsync): a
power cut leaves one of the two. Owner and mode stay as they were.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["OLD_SUFFIX", "replace_file"]

OLD_SUFFIX = ".old"


def replace_file(path: Path, data: bytes) -> Path:
    """Put `data` in the place of what is there, and keep that beside it; returns where. Raises OSError, and then nothing has
    changed under that name."""
    path = path.resolve()  # through a symbolic link: what it points to is replaced, not the link
    old = path.with_name(path.name + OLD_SUFFIX)
    like = path.stat()
    _put(old, path.read_bytes(), like)
    _put(path, data, like)
    return old


def _put(path: Path, data: bytes, like: os.stat_result) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):  # only root gives files away; then it belongs to who edited it
                    os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, like.st_mode & 0o7777)
            os.fsync(descriptor)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
