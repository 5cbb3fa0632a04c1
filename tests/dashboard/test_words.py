"""Durations and numbers in words."""

from __future__ import annotations

import pytest

from picluster.dashboard.example import stack
from picluster.dashboard.words import duration, milliseconds, number, tally


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "<1 s"),
        (0.99, "<1 s"),
        (1, "1 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
        (1e8, "1157 d"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("length_ms", "words"),
    [
        (0.04, "0.0 ms"),
        (0.42, "0.4 ms"),
        (9.94, "9.9 ms"),
        (148.2, "148 ms"),
        (2_410, "2.4 s"),
        (31_000, "31 s"),
        (1e6, "16 min"),
    ],
)
def test_milliseconds(length_ms: float, words: str) -> None:
    assert milliseconds(length_ms) == words


def test_small_numbers_are_words_and_states_are_counted() -> None:
    assert [number(count) for count in (0, 1, 6, 7)] == ["no", "one", "six", "7"]
    assert tally(stack(10).nodes) == "1 silent, 1 standby, 1 holder, 7 ready"
