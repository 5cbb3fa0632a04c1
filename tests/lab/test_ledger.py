"""Judgements over records that are written by hand: times in milliseconds, one request each."""

from __future__ import annotations

import pytest

from picluster.lab.ledger import ANSWERED, ARP_ANSWERED, AUDIT_ANSWERED, NOBODY, SENT, STRANGER, Ledger, record

MS = 1_000_000
PI1, PI2, PI3 = range(3)


def ledger_of(*runs: tuple[int | None, int], start_ms: int = 0) -> Ledger:
    """Requests one millisecond apart: each run is who answers (None: nobody) and how many."""
    ledger = Ledger(["pi1", "pi2", "pi3"])
    number = start_ms
    for node, count in runs:
        for _ in range(count):
            write(ledger, number, number, node)
            number += 1
    return ledger


def write(ledger: Ledger, number: int, sent_ms: float, node: int | None, answered_ms: float | None = None) -> None:
    sent_ns = round(sent_ms * MS)
    ledger.read(record(SENT, NOBODY, number, sent_ns))
    if node is not None:
        ledger.read(record(ANSWERED, node, number, sent_ns + 200_000 if answered_ms is None else round(answered_ms * MS)))


def test_an_outage_lasts_from_the_last_answered_request_to_the_next_one() -> None:
    outage = ledger_of((PI1, 100), (None, 141), (PI2, 2_000)).aftermath(100 * MS, 2_000 * MS)
    assert (outage.before, outage.after, outage.over) == ("pi1", "pi2", True)
    assert (outage.outage_ms, outage.lost, outage.requests) == (142.0, 141, 1_000)


def test_of_several_outages_the_longest_counts_and_all_losses() -> None:
    outage = ledger_of((PI1, 100), (None, 5), (PI1, 50), (None, 20), (PI2, 2_000)).aftermath(100 * MS, 2_000 * MS)
    assert (outage.outage_ms, outage.lost) == (21.0, 25)


def test_nothing_lost_is_no_outage_however_late_the_client_was() -> None:
    ledger = ledger_of((PI1, 100))
    for number in range(100, 1_200):
        write(ledger, number, number + 60, PI2)
    outage = ledger.aftermath(100 * MS, 2_000 * MS)
    assert (outage.outage_ms, outage.lost) == (0.0, 0)


def test_time_in_which_the_client_was_late_is_not_counted_at_the_edges() -> None:
    ledger = ledger_of((PI1, 100))
    for number in range(100, 110):
        write(ledger, number, number + 70, None)
    for number in range(110, 1_300):
        write(ledger, number, number + 170, PI2)
    assert ledger.aftermath(100 * MS, 2_000 * MS).outage_ms == pytest.approx(11.0)


def test_an_outage_that_lasts_is_not_over_and_counts_what_there_is() -> None:
    outage = ledger_of((PI1, 100), (None, 1_500)).aftermath(100 * MS, 1_600 * MS)
    assert (outage.over, outage.after, outage.lost, outage.requests) == (False, "", 1_400, 1_400)


def test_an_outage_longer_than_a_second_counts_up_to_its_end() -> None:
    outage = ledger_of((PI1, 100), (None, 1_500), (PI2, 300)).aftermath(100 * MS, 1_900 * MS)
    assert (outage.over, outage.after, outage.lost, outage.outage_ms) == (True, "pi2", 1_500, 1_501.0)


def test_who_answers_now_and_for_how_long_that_is_believed() -> None:
    ledger = ledger_of((PI1, 10), (PI2, 10))
    assert ledger.answering(20 * MS) == "pi2"
    assert ledger.answering(500 * MS) == ""


def test_nothing_counts_before_the_first_prompt_answer() -> None:
    ledger = ledger_of((None, 500))
    write(ledger, 500, 500, PI1, answered_ms=1_400)
    for number in range(501, 1_400):
        write(ledger, number, number, None)
    assert (ledger.sent - ledger.answered, ledger.lost(1_400 * MS)) == (1_400, 0)
    for number in range(1_400, 1_500):
        write(ledger, number, number, PI1)
    assert (ledger.sent, ledger.answered, ledger.lost(2_000 * MS)) == (100, 100, 0)


def test_requests_under_way_are_not_lost_yet() -> None:
    ledger = ledger_of((PI1, 100), (None, 10))
    assert ledger.lost(110 * MS) == 0
    assert ledger.lost(300 * MS) == 10


def test_one_question_that_two_nodes_answered_is_a_millisecond_of_two() -> None:
    ledger = ledger_of((PI1, 10))
    for node, number in ((PI1, 3), (PI2, 3), (PI3, 3), (PI1, 4), (PI2, 5)):
        ledger.read(record(AUDIT_ANSWERED, node, number, number * MS))
    assert ledger.double_ms == 1


def test_a_second_answer_is_noticed_among_thousands_of_questions() -> None:
    ledger = ledger_of((PI1, 10))
    ledger.read(b"".join(record(AUDIT_ANSWERED, PI1, number, number * MS) for number in range(10_000)))
    ledger.read(record(AUDIT_ANSWERED, PI2, 9_000, 9_003 * MS))
    assert ledger.double_ms == 1


def test_an_arp_question_that_two_answered_stands_for_as_long_as_it_is_the_latest() -> None:
    ledger = ledger_of((PI1, 10))
    ledger.read(record(ARP_ANSWERED, PI1, 0, 0) + record(ARP_ANSWERED, PI2, 0, 0))
    assert ledger.double_ms == 10
    ledger.read(record(AUDIT_ANSWERED, PI1, 2, 2 * MS) + record(AUDIT_ANSWERED, PI2, 2, 2 * MS))
    assert ledger.double_ms == 10


def test_one_request_that_two_nodes_answered_counts_too() -> None:
    ledger = ledger_of((PI1, 10))
    ledger.read(record(ANSWERED, PI2, 7, 8 * MS))
    assert ledger.double_ms == 1
    assert ledger.answered == 10


def test_old_requests_are_forgotten_and_the_counters_go_on() -> None:
    ledger = ledger_of((PI1, 70_000), (None, 100), (PI2, 2_000))
    assert (ledger.sent, ledger.answered) == (72_100, 72_000)
    assert ledger.aftermath(70_000 * MS, 72_100 * MS).outage_ms == 101.0


def test_a_machine_that_is_no_node_counts_like_everybody() -> None:
    ledger = ledger_of((PI1, 10))
    ledger.read(record(AUDIT_ANSWERED, STRANGER, 3, 3 * MS) + record(AUDIT_ANSWERED, PI1, 3, 3 * MS))
    assert ledger.double_ms == 1
    ledger.read(record(ANSWERED, STRANGER, 7, 8 * MS))
    assert ledger.double_ms == 2


def test_a_scene_may_leave_its_guest_out_of_the_count() -> None:
    ledger = ledger_of((PI1, 10))
    ledger.guests_count = False
    for kind in (AUDIT_ANSWERED, ARP_ANSWERED):
        ledger.read(record(kind, STRANGER, 3, 3 * MS) + record(kind, PI1, 3, 3 * MS))
    ledger.read(record(ANSWERED, STRANGER, 7, 8 * MS))
    assert ledger.double_ms == 0
    ledger.read(record(AUDIT_ANSWERED, PI2, 3, 3 * MS))
    assert ledger.double_ms == 1


def test_who_answered_one_after_the_other_and_over_which_time() -> None:
    ledger = ledger_of((PI1, 100), (None, 50), (PI2, 100), (PI1, 50))
    assert ledger.answerers(0) == ("pi1", "pi2", "pi1")
    assert ledger.answerers(160 * MS) == ("pi2", "pi1")
    assert ledger.answered_from_to("pi2", 0) == (150 * MS + 200_000, 249 * MS)
    assert ledger.answered_from_to("pi3", 0) is None


def test_everything_since_a_moment_can_be_judged_at_once() -> None:
    ledger = ledger_of((PI1, 100), (None, 5), (PI1, 2_000), (None, 20), (PI2, 1_000))
    assert ledger.aftermath(100 * MS, 3_200 * MS).outage_ms == 6.0
    outage = ledger.within(100 * MS, 3_200 * MS)
    assert (outage.outage_ms, outage.lost, outage.after, outage.over) == (21.0, 25, "pi2", True)
