"""A bound for what may hang (man 2 setitimer). There is one alarm in a process, so one block at a time can have it, and only
the main thread."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["alarm"]


@contextmanager
def alarm(most_s: float, ring: Callable[[], None]) -> Iterator[None]:
    """Once the block has taken so long, `ring` is called; what that raises comes from wherever the block is then."""
    before = signal.signal(signal.SIGALRM, lambda _number, _frame: ring())
    signal.setitimer(signal.ITIMER_REAL, most_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
