"""One request to a floating address, and when its answer came: what outages are reckoned from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Probe"]


@dataclass(frozen=True, slots=True)
class Probe:
    """Both times are nanoseconds of one clock."""

    sent_ns: int
    answered_ns: int | None
    """None where no answer has come in time, or none yet."""
