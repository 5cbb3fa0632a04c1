"""Why a datagram is not believed: one name for each counter."""

from __future__ import annotations

import enum


class WireFault(enum.StrEnum):
    """The kinds of `WireError`, in the order in which `Codec.decode` looks for them: the cheapest test first.

    More reasons to drop a datagram are not found here, since they need to know who is who: a sender or a receiver that does
    not fit, a repeated sequence number, and an incarnation that has not echoed the receiver's challenge.
    """

    TOO_LONG = "too-long"
    TOO_SHORT = "too-short"
    NOT_OURS = "not-ours"
    """Another protocol on this port."""
    VERSION = "version"
    """Another version of this format: some node runs an older or a newer picluster."""
    OTHER_CLUSTER = "other-cluster"
    """A neighbour's cluster on the same network."""
    OTHER_KEY = "other-key"
    """Sealed with a key that is not in the key file here: a node whose key file is out of date."""
    FORGED = "forged"
    """The seal does not fit: damaged on the way, or made up."""
    MALFORMED = "malformed"
    """The seal fits and the content breaks the format: a bug of a peer that has the key."""
