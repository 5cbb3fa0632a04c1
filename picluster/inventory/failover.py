"""The section `[failover]`: a preset, and single timers on top of it, checked against each other.

The bounds keep the rules of `picluster.failover` meaningful: a lease that sees two renewals and many retries, a retry
that is not slower than the renewal it repeats, and candidates whose queueing adds no more than a third of the lease to an
outage for each that is dead.
"""

from __future__ import annotations

from picluster.inventory.keys import TIMERS
from picluster.inventory.reader import Table
from picluster.model.timing import LONGEST_LEASE_MS, PRESETS, Timing

DEFAULT_PRESET = "wired"
SHORTEST_LEASE_MS = 20
STEPS_PER_LEASE = 3
"""Of rank, at least: the first of the dead candidates costs no more than a third of a lease."""
SLOWEST = Timing(lease_ms=LONGEST_LEASE_MS)

BOUNDS_MS: dict[str, tuple[int, int]] = {
    "lease_ms": (SHORTEST_LEASE_MS, LONGEST_LEASE_MS),
    "renewal_ms": (1, SLOWEST.longest_renewal_ms),
    "retry_ms": (1, SLOWEST.longest_renewal_ms),
    "heartbeat_ms": (50, 5_000),
    "rank_step_ms": (1, LONGEST_LEASE_MS // STEPS_PER_LEASE),
    "settle_ms": (0, 3_600_000),
    "probe_ms": (0, 10_000),
}
"""Lowest and highest value of each timer, whatever the others are."""


def read_timing(failover: Table) -> Timing:
    """The preset, with single timers replaced."""
    mistakes_before = len(failover.findings.mistakes)
    preset = failover.choice("preset", tuple(PRESETS), DEFAULT_PRESET)
    base = PRESETS[preset]
    timing = Timing(**{name: failover.whole(name, *BOUNDS_MS[name], getattr(base, name)) for name in TIMERS})
    if len(failover.findings.mistakes) == mistakes_before:
        _check_together(failover, timing, preset)
    return timing


def _check_together(failover: Table, timing: Timing, preset: str) -> None:
    step_ms = timing.lease_ms // STEPS_PER_LEASE

    def complain(timer: str, other: str, wrong: str, mend: str) -> None:
        """Points at the one of the two keys that the user wrote, and says where the other value comes from."""
        inherited = "" if timer in failover else f" ({timer} is that of preset {preset})"
        failover.add(timer if timer in failover or other not in failover else other, wrong + inherited, mend)

    if timing.renewal_ms > timing.longest_renewal_ms:
        wrong = f"a lease of {timing.lease_ms} ms is too short for renewals every {timing.renewal_ms} ms"
        enough_ms = -(-timing.renewal_ms * 5 // 2)
        mend = f"Write renewal_ms = {timing.longest_renewal_ms} or less, or lease_ms = {enough_ms} or more"
        complain("renewal_ms", "lease_ms", wrong, mend)
    if timing.retry_ms > timing.renewal_ms:
        wrong = f"a retry after {timing.retry_ms} ms comes later than the next renewal, after {timing.renewal_ms} ms"
        mend = f"Write retry_ms = {timing.renewal_ms} or less, yet more than a round trip"
        complain("retry_ms", "renewal_ms", wrong, mend)
    if timing.rank_step_ms > step_ms:
        wrong = f"steps of {timing.rank_step_ms} ms between candidates are too large for a lease of {timing.lease_ms} ms"
        mend = f"Write rank_step_ms = {step_ms} or less, yet more than two round trips"
        complain("rank_step_ms", "lease_ms", wrong, mend)
