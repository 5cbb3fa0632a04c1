"""One who changes a node at a time: the second is told who the first is, and since when.

The lock is flock's (man 2 flock): the kernel lifts it when the process ends, however hard, so none is ever left behind. What
the file says is for people; it is in /run and goes with the boot.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from picluster.remote.failure import Busy, unwritable
from picluster.remote.node import Node
from picluster.remote.talking import Talk

__all__ = ["LOCK", "alone", "serve"]

LOCK = "/run/picluster-provision.lock"
LONGEST_WORDS = 4_096


def serve(_talk: Talk, node: Node, request: dict[str, Any]) -> None:
    """The request `check`: whether somebody else is at it."""
    with alone(node, request):
        pass


@contextmanager
def alone(node: Node, request: dict[str, Any]) -> Iterator[None]:
    """Within the block nobody but who sent this request changes the node. Raises Busy, or Failure where there can be no
    lock."""
    place = node.at(LOCK)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unwritable(LOCK, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        busy = _busy(os.read(descriptor, LONGEST_WORDS))
        os.close(descriptor)
        raise busy from None
    try:
        with suppress(OSError):  # a full disk is no reason: what the file says is for people
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"who": str(request.get("who", "somebody")), "since": time.time()}).encode())
        yield
    finally:
        os.close(descriptor)


def _busy(words: bytes) -> Busy:
    """What the other wrote; it may just be about to."""
    try:
        said: dict[str, Any] = json.loads(words)
        return Busy(str(said["who"]), float(said["since"]))
    except (ValueError, TypeError, LookupError):
        return Busy("somebody", time.time())
