"""How long an address was dark, from when which request was answered; and whether that is what the lease promises. Pure.

An outage is the longest time without an answer: from the first request after the last answered one, until the next answer
comes. It errs by one interval between two requests at most, in either direction, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from picluster.model.probe import Probe
from picluster.model.timing import DRIFT_RATIO, Timing

__all__ = ["Move", "Outage", "Verdict", "judge_outage", "longest_outage", "round_trip_ms"]

MS = 1_000_000
LEAST_NS = 10 * MS
"""What is shorter is a request that got lost, or one whose answer is on its way."""
LEAST_ROUND_TRIP_MS = 1.0
"""Between agents, what they have to reckon included; the formula's own default."""
LONGEST_PAUSE_MS = 20.0
"""Between two requests: where this machine was kept from asking for longer, it measured itself."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without an answer, by the clock of the probes."""

    last_answer_ns: int
    """The last one before."""
    began_ns: int
    """When the first request was sent that did not get one."""
    ended_ns: int | None
    """When the next answer came; None where none has come yet."""
    unanswered: int
    """How many requests of that time got none."""
    pause_ns: int
    """The longest time between two requests around it, and within."""

    @property
    def length_ms(self) -> float | None:
        return None if self.ended_ns is None else (self.ended_ns - self.began_ns) / MS


@dataclass(frozen=True, slots=True)
class Move:
    """How an address came to its holder, by the word of that one."""

    previous: str
    holder: str
    cause: str
    """Such as `silence`: docs/events.md has them all."""
    took_ms: float
    """Since the last sign of the one before."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the address came back in time."""

    met: bool | None
    """None where the measurement does not tell."""
    longest_ms: float
    """The longest outage by the formula."""
    reason: str

    @property
    def word(self) -> str:
        return {True: "met", False: "not met", None: "unclear"}[self.met]


def longest_outage(probes: Sequence[Probe], since_ns: int) -> Outage | None:
    """The longest one that ended after that moment, or has not ended; probes in the order in which they were sent.

    None where there was none, or where no request was answered at all.
    """
    now_ns = probes[-1].sent_ns if probes else 0
    lengths = {
        one: (now_ns if one.ended_ns is None else one.ended_ns) - one.began_ns
        for one in _outages(probes)
        if one.ended_ns is None or one.ended_ns > since_ns
    }
    longest = max(lengths, key=lengths.__getitem__, default=None)
    return longest if longest is not None and lengths[longest] >= LEAST_NS else None


def round_trip_ms(probes: Sequence[Probe]) -> float | None:
    """The median of those that were answered."""
    answered = [(probe.answered_ns - probe.sent_ns) / MS for probe in probes if probe.answered_ns is not None]
    return median(answered) if answered else None


def judge_outage(outage: Outage, timing: Timing, trip_ms: float, interval_ms: float, move: Move | None) -> Verdict:
    """Hold it against the formula of `picluster.model.timing`.

    `trip_ms` is a round trip as seen from here, `interval_ms` the time between two requests.
    """
    trip_ms = max(LEAST_ROUND_TRIP_MS, trip_ms)
    longest_ms = timing.longest_outage_ms(trip_ms)
    formula = f"{longest_ms:.1f} ms = lease {timing.lease_ms} ms × {1 + DRIFT_RATIO:.2f} + 2 × {trip_ms:.1f} ms round trip"
    length_ms, pause_ms = outage.length_ms, outage.pause_ns / MS
    if length_ms is None:
        return Verdict(False, longest_ms, f"nobody has answered since; at most {formula}")
    said = f"{length_ms:.1f} ms, at most {formula}"
    if pause_ms > max(LONGEST_PAUSE_MS, 2 * interval_ms):
        paused = f"this machine was kept from asking for {pause_ms:.0f} ms meanwhile; do it again when it is calm"
        return Verdict(None, longest_ms, f"{said}; but {paused}")
    if length_ms <= longest_ms + interval_ms:
        return Verdict(True, longest_ms, said)
    return Verdict(False, longest_ms, f"{said}; {_late(move, longest_ms)}")


def _late(move: Move | None, longest_ms: float) -> str:
    """Where the time went."""
    if move is None:
        return "picluster events tells what the agents did meanwhile"
    if move.took_ms <= longest_ms:
        return (
            f"{move.holder} had it {move.took_ms:.1f} ms after the last sign of {move.previous}: "
            "the switch, or this machine, was late to learn where it is now"
        )
    return (
        f"{move.holder} had it only {move.took_ms:.1f} ms after the last sign of {move.previous}: "
        "picluster events tells what else happened, docs/events.md what it means"
    )


def _outages(probes: Sequence[Probe]) -> Iterator[Outage]:
    """Between any two answers, in the order in which they came, where a request was sent that had none by then."""
    answers = sorted((one.answered_ns, number) for number, one in enumerate(probes) if one.answered_ns is not None)
    for (before_ns, before), (after_ns, after) in pairwise(answers):
        if after > before + 1:
            yield _outage(probes, before, before_ns, after, after_ns)
    if answers:
        last_ns, last = max(answers, key=lambda answer: answer[1])
        if len(probes) > last + 1:
            yield _outage(probes, last, last_ns, len(probes) - 1, None)


def _outage(probes: Sequence[Probe], before: int, before_ns: int, after: int, ended_ns: int | None) -> Outage:
    """`before` and `after` are numbers of probes: the last one that was answered, and the next, or simply the last."""
    sent = [probe.sent_ns for probe in probes[before : after + 1]]
    return Outage(
        last_answer_ns=before_ns,
        began_ns=probes[before + 1].sent_ns,
        ended_ns=ended_ns,
        unanswered=sum(probe.answered_ns is None for probe in probes[before + 1 : after + 1]),
        pause_ns=max(later - earlier for earlier, later in pairwise(sent)),
    )
