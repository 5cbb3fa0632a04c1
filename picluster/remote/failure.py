"""What can go wrong on a node, said in a sentence that a person can act on. It ends the request, and nothing worse."""

from __future__ import annotations

import errno

__all__ = ["Busy", "Failure", "unwritable"]

SPACE = "there is no space left; free some (df -h, journalctl --vacuum-size=50M, apt-get clean), then run this again"
MENDS = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EROFS: "the file system is read-only: an overlay, or a card that is protected or failing (dmesg says which)",
    errno.EIO: "the card does not take it; it may be failing (dmesg)",
}


class Failure(Exception):  # noqa: N818  what fails is a step: a result, not a bug
    """A step cannot be done. What stood there before still does."""


class Busy(Exception):  # noqa: N818  it is no error of this node
    """Somebody else is at it: `who`, `since` when, in seconds since 1970."""

    def __init__(self, who: str, since: float) -> None:
        super().__init__(who)
        self.who = who
        self.since = since


def unwritable(path: str, error: OSError) -> Failure:
    """The failure that an error of the file system means."""
    return Failure(f"{path} cannot be written: {MENDS.get(error.errno or 0) or error.strerror or error}")
