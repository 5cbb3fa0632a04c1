"""Waiting for what must come: it is asked for again and again, and the test fails where it does not come in time.

A test that sleeps for as long as something usually takes is slow on a quick machine and wrong on a busy one. So the bound
here is far beyond anything usual, and costs nothing where all is well.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 15.0
PAUSE_S = 0.005


def pause() -> None:
    time.sleep(PAUSE_S)


def until(
    happened: Callable[[], bool],
    what: Callable[[], object] | str,
    most_s: float = PATIENCE_S,
    meanwhile: Callable[[], object] = pause,
) -> None:
    """Wait for what must come. `what` says what that is, or gives the words for it when it failed; `meanwhile` is done
    between two looks, and should take a little time."""
    deadline = time.monotonic() + most_s
    while not happened():
        assert time.monotonic() < deadline, f"not within {most_s:g} s: {what() if callable(what) else what}"
        meanwhile()
