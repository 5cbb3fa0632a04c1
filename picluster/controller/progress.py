"""What is told while many nodes are worked on: one value for each thing that a person may want to see."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Kind", "Progress"]


class Kind(enum.Enum):
    STAGE = "stage"
    """Something else begins: `connecting`, `asking`, `waiting for its agent`."""
    STEP = "step"
    """Step `done + 1` of `of` begins; the text says what it is for."""
    WAIT = "wait"
    """A step takes long, and why: who has dpkg's lock."""
    OUTPUT = "output"
    """A line that a command said."""
    ENDED = "ended"
    """All is done there that was to be done."""
    FAILED = "failed"
    """And this is why."""


@dataclass(frozen=True, slots=True)
class Progress:
    node: str
    kind: Kind
    text: str
    done: int = 0
    """Steps that are done."""
    of: int = 0
    """Steps in all; 0 where nobody counts."""
