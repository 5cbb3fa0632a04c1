"""Where a candidacy stands, and where it may go from there. Whatever is not in the table is a bug, and raises.

WATCHING ──vacant, and my turn──▶ ASKING ──a majority would grant──▶ CLAIMING ──a majority granted──▶ HOLDING
    ▲  │                            │  └──first time in the cluster──▶ PROBING ──▶ ▲ │                   │
    │  └─────────────a release names this node as its successor───────────────────┘ │                   │
    │◀────somebody else is at it────┘                                                │                   │
    │◀──────────────withdrawn, nobody answers, or a foreign machine has it───────────┘                   │
    └◀────────────────────lease ran out, released on purpose, or the kernel refused──────────────────────┘
"""

from __future__ import annotations

import enum

from picluster.errors import TransitionError


class Phase(enum.Enum):
    WATCHING = "watching"
    """Somebody else holds it, or it is not this node's turn."""
    ASKING = "asking"
    """It seems vacant: would a majority grant it? Binds nobody."""
    PROBING = "probing"
    """Does a machine outside the cluster have it?"""
    CLAIMING = "claiming"
    """Asking for the lease in earnest."""
    HOLDING = "holding"


_MAY_BECOME = {
    Phase.WATCHING: {Phase.ASKING, Phase.CLAIMING},
    Phase.ASKING: {Phase.WATCHING, Phase.PROBING, Phase.CLAIMING},
    Phase.PROBING: {Phase.WATCHING, Phase.CLAIMING},
    Phase.CLAIMING: {Phase.WATCHING, Phase.HOLDING},
    Phase.HOLDING: {Phase.WATCHING},
}


def check_transition(present: Phase, following: Phase) -> None:
    """Raises TransitionError where the table does not have it."""
    if following not in _MAY_BECOME[present]:
        raise TransitionError(f"{present.value} cannot become {following.value}")
