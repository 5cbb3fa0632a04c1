"""Every state has its own look, and the looks keep their promises."""

from __future__ import annotations

import itertools

import pytest

from picluster.lights.patterns import LIGHTS, Pattern, lit
from picluster.model.snapshot import NodeState
from picluster.model.timing import NANOSECONDS_PER_MS

GONE = {NodeState.LEFT, NodeState.SILENT}


def flashes(pattern: Pattern, from_ms: int, to_ms: int) -> int:
    """How often the lamp comes on in the span, seen every 10 ms."""
    seen = [lit(pattern, moment * NANOSECONDS_PER_MS) for moment in range(from_ms, to_ms, 10)]
    return sum(now and not before for before, now in itertools.pairwise(seen))


def test_every_state_has_a_look_and_a_reason() -> None:
    assert set(LIGHTS) == set(NodeState)
    assert all(light.reason for light in LIGHTS.values())


def test_no_two_lit_states_look_alike() -> None:
    looks = [(light.colour, light.pattern) for state, light in LIGHTS.items() if state not in GONE]
    assert len(set(looks)) == len(looks)


def test_only_a_gone_node_is_dark() -> None:
    for state, light in LIGHTS.items():
        assert (light.colour is None) == (light.pattern is Pattern.OFF) == (state in GONE)


@pytest.mark.parametrize("state", [NodeState.DEGRADED, NodeState.NO_QUORUM])
def test_what_needs_a_person_blinks_fast(state: NodeState) -> None:
    assert LIGHTS[state].pattern is Pattern.FAST


@pytest.mark.parametrize(
    ("pattern", "on_ms", "off_ms"),
    [
        (Pattern.SOLID, (0, 1, 999, 5_000), ()),
        (Pattern.OFF, (), (0, 1, 999, 5_000)),
        (Pattern.SLOW, (0, 999, 2_000, 2_999), (1_000, 1_999)),
        (Pattern.FAST, (0, 199, 400), (200, 399)),
        (Pattern.HEARTBEAT, (0, 149, 300, 449, 1_500), (150, 299, 450, 1_499)),
    ],
)
def test_a_pattern_is_lit_at_its_moments(pattern: Pattern, on_ms: tuple[int, ...], off_ms: tuple[int, ...]) -> None:
    assert all(lit(pattern, moment * NANOSECONDS_PER_MS) for moment in on_ms)
    assert not any(lit(pattern, moment * NANOSECONDS_PER_MS) for moment in off_ms)


@pytest.mark.parametrize("pattern", Pattern)
def test_nothing_flashes_more_than_three_times_in_a_second(pattern: Pattern) -> None:
    assert max(flashes(pattern, start, start + 1_000) for start in range(0, 2_000, 50)) <= 3


@pytest.mark.parametrize("pattern", [Pattern.HEARTBEAT, Pattern.FAST, Pattern.SLOW])
def test_eight_looks_a_second_see_every_flash(pattern: Pattern) -> None:
    lengths = [length for length in pattern.value if length]
    assert min(lengths) >= 1_000 / 8
