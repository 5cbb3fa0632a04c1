"""Real-time priority and locked memory: an agent that waits for a processor, or for a page from a card, may lose its lease.

Neither needs a capability where whoever starts the agent raises its limits (man 2 getrlimit): RLIMIT_RTPRIO to `PRIORITY`,
RLIMIT_MEMLOCK to infinity. CAP_SYS_NICE and CAP_IPC_LOCK do as well. What is refused is no reason not to run.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

__all__ = ["PRIORITY", "become_urgent"]

PRIORITY = 10
"""Of SCHED_RR (man 7 sched): before all ordinary work, and behind the kernel's own interrupt threads, which have 50."""
# linux/mman.h, asm-generic/mman.h
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4


def become_urgent() -> Iterator[str]:
    """Take both. Yields what is refused, as sentences.

    The priority is this thread's and that of threads which it begins later. All of them need it: they share Python's lock,
    and one that has the lock while it waits for a processor makes the others wait too. Memory is locked page by page, as it
    is used (man 2 mlockall, MCL_ONFAULT), so nothing is read in that nobody needs.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError as error:
        yield f"on a loaded machine renewals may be late, since real-time priority is refused ({error.strerror})"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0:
        reason = os.strerror(ctypes.get_errno())
        yield f"where memory runs short renewals may be late, since locking memory is refused ({reason})"
