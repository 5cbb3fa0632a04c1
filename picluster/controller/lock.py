"""One controller at a time: who works on a cluster says so beside its secrets, and the next one is told who, and since when.

The lock is the kernel's (flock(2)), not the file: it goes with the process that has it, however that ends, so there is none
to be cleared away by hand. The words in the file are for people. Controllers on two machines do not see each other's file;
so each node has such a lock of its own (`picluster.remote`), and refuses the second with the same words.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from picluster.errors import ProvisionError

__all__ = ["busy", "locked"]

DAY_S = 86_400


@contextmanager
def locked(path: Path, who: str, doing: str) -> Iterator[None]:
    """Have the cluster to oneself. `path` is a file that need not be there; `who` is `user@host`, `doing` the verb. Raises
    ProvisionError where somebody else has it."""
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProvisionError(_owner(file)) from None
        _write(file, json.dumps({"who": who, "doing": doing, "since": int(time.time())}))
        try:
            yield
        finally:
            _write(file, "")


def busy(who: str, since_s: float, now_s: float, doing: str = "") -> str:
    """In words: somebody else is at work. Both times are seconds since 1970."""
    form = "%H:%M:%S" if abs(now_s - since_s) < DAY_S else "%Y-%m-%d %H:%M"
    since = time.strftime(form, time.localtime(since_s))
    what = f" (picluster {doing})" if doing else ""
    return f"{who or 'somebody'}{what} has been at work here since {since}; wait for that to end, and run this again"


def _owner(file: TextIO) -> str:
    """Whoever has just taken the lock may not have written yet."""
    file.seek(0)
    try:
        words = json.loads(file.read())
        return busy(str(words["who"]), float(words["since"]), time.time(), str(words["doing"]))
    except (ValueError, KeyError, TypeError):
        return busy("another controller", time.time(), time.time())


def _write(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
