"""From which request was answered when, to how long it was dark, and whether that is what the lease promises."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from picluster.controller.outage import Move, Outage, judge_outage, longest_outage, round_trip_ms
from picluster.model.probe import Probe
from picluster.model.timing import Timing

MS = 1_000_000
TIMING = Timing()
LONGEST_MS = TIMING.longest_outage_ms()
EVERY_MS = 2.0


def asked(until_ms: int, *dark: tuple[int, int], late: tuple[int, ...] = (), every_ms: int = 2) -> list[Probe]:
    """A request every few milliseconds, answered after one, but where it was dark. Those sent at the times in `late` are
    answered when the darkness ends."""
    probes = []
    for sent_ms in range(0, until_ms, every_ms):
        darkness = next((one for one in dark if one[0] <= sent_ms < one[1]), None)
        answered_ms = sent_ms + 1 if darkness is None else darkness[1] if sent_ms in late else None
        probes.append(Probe(sent_ms * MS, None if answered_ms is None else answered_ms * MS))
    return probes


def found(probes: Sequence[Probe], since_ms: int = 0) -> Outage:
    outage = longest_outage(probes, since_ms * MS)
    assert outage is not None
    return outage


def test_an_outage_lasts_from_the_first_request_without_an_answer_to_the_next_answer() -> None:
    outage = found(asked(1_000, (300, 446)))
    assert (outage.last_answer_ns, outage.began_ns, outage.ended_ns) == (299 * MS, 300 * MS, 447 * MS)
    assert outage.length_ms == 147.0
    assert outage.unanswered == 73
    assert outage.pause_ns == 2 * MS


def test_the_longest_one_counts_that_ended_after_the_order() -> None:
    probes = asked(2_000, (100, 400), (600, 700), (900, 1_050))
    assert found(probes).began_ns == 100 * MS
    assert found(probes, since_ms=500).began_ns == 900 * MS


def test_lost_requests_and_answers_on_their_way_are_no_outage() -> None:
    assert longest_outage([], 0) is None
    assert longest_outage(asked(1_000), 0) is None
    assert longest_outage(asked(1_000, (300, 302), (500, 506)), 0) is None
    assert longest_outage(asked(1_000, (996, 2_000)), 0) is None
    assert longest_outage(asked(1_000, (0, 2_000)), 0) is None, "it never answered, so nothing ended"


def test_one_that_has_not_ended_has_no_length() -> None:
    outage = found(asked(1_000, (300, 5_000)))
    assert (outage.began_ns, outage.ended_ns, outage.length_ms, outage.unanswered) == (300 * MS, None, None, 350)


def test_requests_that_waited_for_the_answer_end_it_when_that_came() -> None:
    """A kernel that asks for the neighbour's hardware address keeps some packets until it knows."""
    outage = found(asked(1_000, (300, 446), late=(400, 402, 404)))
    assert (outage.began_ns, outage.ended_ns) == (300 * MS, 446 * MS)
    assert outage.unanswered < 70


def test_a_round_trip_is_the_median_of_what_was_answered() -> None:
    assert round_trip_ms(asked(100, (50, 60))) == 1.0
    assert round_trip_ms(asked(100, (0, 100))) is None


# ── the verdict ─────────────────────────────────────────────────────────────────────────────────────────────────────


def dark_for(length_ms: int, pause_ms: int = 2) -> Outage:
    return Outage(299 * MS, 300 * MS, (300 + length_ms) * MS, length_ms // 2, pause_ms * MS)


def moved(took_ms: float) -> Move:
    return Move("pi1", "pi2", "silence", took_ms)


def test_within_the_formula_the_promise_is_met() -> None:
    verdict = judge_outage(dark_for(146), TIMING, 0.4, EVERY_MS, moved(149.0))
    assert (verdict.met, verdict.word, verdict.longest_ms) == (True, "met", LONGEST_MS)
    assert verdict.reason == "146.0 ms, at most 178.8 ms = lease 175 ms × 1.01 + 2 × 1.0 ms round trip"


def test_what_lies_between_two_requests_is_nobody_s_fault() -> None:
    assert judge_outage(dark_for(180), TIMING, 0.4, EVERY_MS, None).met
    assert judge_outage(dark_for(181), TIMING, 0.4, EVERY_MS, None).met is False


def test_a_slow_network_has_a_longer_promise() -> None:
    slow = judge_outage(dark_for(190), TIMING, 8.0, EVERY_MS, None)
    assert (slow.met, slow.longest_ms) == (True, TIMING.longest_outage_ms(8.0))


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (moved(151.2), "pi2 had it 151.2 ms after the last sign of pi1: the switch, or this machine, was late"),
        (moved(420.0), "pi2 had it only 420.0 ms after the last sign of pi1"),
        (None, "picluster events"),
    ],
)
def test_a_broken_promise_says_where_the_time_went(move: Move | None, said: str) -> None:
    verdict = judge_outage(dark_for(430), TIMING, 0.4, EVERY_MS, move)
    assert (verdict.met, verdict.word) == (False, "not met")
    assert said in verdict.reason


def test_who_was_kept_from_asking_judges_nobody() -> None:
    verdict = judge_outage(dark_for(430, pause_ms=250), TIMING, 0.4, EVERY_MS, None)
    assert (verdict.met, verdict.word) == (None, "unclear")
    assert "kept from asking for 250 ms" in verdict.reason


def test_without_an_answer_it_is_broken() -> None:
    verdict = judge_outage(Outage(0, MS, None, 500, 2 * MS), TIMING, 0.4, EVERY_MS, None)
    assert verdict.met is False
    assert "nobody has answered since" in verdict.reason
