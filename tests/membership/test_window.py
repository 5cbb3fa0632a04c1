"""The window against an oracle that remembers everything."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.membership.window import LOSS_SPAN, ReplayWindow


@given(st.lists(st.integers(-3, 400), max_size=300))
def test_each_number_is_accepted_once_unless_it_is_too_old(sequences: list[int]) -> None:
    window, seen = ReplayWindow(64), set[int]()
    for sequence in sequences:
        newest = max(seen, default=0)
        expected = sequence >= 1 and sequence not in seen and sequence > newest - 64
        assert window.accept(sequence) is expected
        if expected:
            seen.add(sequence)
        assert window.newest == max(seen, default=0)
        span = [
            number for number in range(window.newest - LOSS_SPAN + 1, window.newest + 1) if number >= min(seen, default=1)
        ]
        missing = sum(number not in seen for number in span)
        assert window.loss_percent == (int(100 * missing / len(span) + 0.5) if span else 0)


def test_a_repeat_of_everything_is_refused() -> None:
    window = ReplayWindow()
    order = list(range(1, 5_001))
    chance = random.Random(7)
    for start in range(0, 5_000, 500):  # reordered within what the window covers
        part = order[start : start + 500]
        chance.shuffle(part)
        order[start : start + 500] = part
    assert all(window.accept(sequence) for sequence in order)
    assert not any(window.accept(sequence) for sequence in order)
    assert window.loss_percent == 0


def test_the_window_ends_where_it_says() -> None:
    window = ReplayWindow(1024)
    assert window.accept(2_000)
    assert not window.accept(2_000 - 1024)
    assert window.accept(2_000 - 1023)


def test_a_jump_to_the_far_end_costs_nothing_and_forgets_everything() -> None:
    window = ReplayWindow()
    assert window.accept(1)
    assert window.accept(2**64 - 1)
    assert not window.accept(1)
    assert window.accept(2**64 - 2)


def test_what_was_sent_before_we_listened_is_not_lost() -> None:
    window = ReplayWindow()
    window.accept(10_000)
    assert window.loss_percent == 0
    window.accept(10_003)
    assert window.loss_percent == 50
    window.accept(10_001)
    window.accept(10_002)
    assert window.loss_percent == 0


def test_loss_is_that_of_the_latest_datagrams() -> None:
    window = ReplayWindow()
    for sequence in range(1, 1_001):
        if sequence % 5:
            window.accept(sequence)
    assert window.loss_percent == 19  # 12 of 64, the newest being 999
    for sequence in range(1_001, 1_101):
        window.accept(sequence)
    assert window.loss_percent == 0


def test_a_window_too_small_to_measure_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        ReplayWindow(LOSS_SPAN - 1)
