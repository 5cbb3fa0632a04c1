"""Whatever happens to a good file, it loads or it is explained: no other error, and none without a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from picluster.errors import InventoryError, Mistake
from picluster.inventory import load
from picluster.model.inventory import Inventory
from tests.inventory.test_load import EVERYTHING

EXAMPLES = [path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "inventory").glob("*.toml")]
GOOD_FILES = [EVERYTHING, *sorted(EXAMPLES)]

WORDS = ["nodes", "addresses", "pi1", "pi2", "lights", "quorum", "address", "lease_ms", "candidates", "member", "none"]
VALUES = [
    "true",
    "-1",
    "0",
    "1e400",
    "nan",
    "2026-01-01",
    "07:00:00",
    "[]",
    "{}",
    '""',
    '"::"',
    '"fe80::1%0"',
    "0xffffffffff",
]
PIECES = st.sampled_from([*WORDS, *VALUES, *"[]{}\"'=.,#\\\n\r\t -", '"""', "'''", "\x00", "\ufeff", "é", "[[", "\\u0000"])


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A good file with a few places overwritten, lines moved, or values replaced."""
    text = draw(st.sampled_from(GOOD_FILES))
    for _ in range(draw(st.integers(1, 5))):
        lines = text.split("\n")
        start = draw(st.integers(0, len(text)))
        change = draw(st.integers(0, 3))
        if change == 0:
            text = text[:start] + draw(PIECES) + text[start + draw(st.integers(0, 12)) :]
        elif change == 1:
            lines.insert(draw(st.integers(0, len(lines))), lines.pop(draw(st.integers(0, len(lines) - 1))))
            text = "\n".join(lines)
        elif change == 2:
            lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
            text = "\n".join(lines)
        else:
            number = draw(st.integers(0, len(lines) - 1))
            key, equals, _ = lines[number].partition("=")
            lines[number] = key + equals + draw(st.sampled_from(VALUES)) if equals else lines[number]
            text = "\n".join(lines)
    return text


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_mutated_file_loads_or_is_explained(text: str) -> None:
    try:
        assert_whole(load(text, "home.toml"))
    except InventoryError as error:
        assert_explained(error.mistakes, text)


def assert_whole(inventory: Inventory) -> None:
    assert set(inventory.configuration.voters) <= set(inventory.node_names)
    on_the_way = inventory.configuration.epoch > 1
    assert len(inventory.configuration.voters) % 2 == 1 or inventory.configuration.tie_breaker or on_the_way
    for floating in inventory.configuration.addresses:
        assert floating.candidates
        assert set(floating.candidate_names) <= set(inventory.node_names)


def assert_explained(mistakes: Sequence[Mistake], text: str) -> None:
    assert mistakes
    lines = [mistake.line or 0 for mistake in mistakes]
    assert lines == sorted(lines)
    assert lines[-1] <= text.count("\n") + 1
    for mistake in mistakes:
        assert mistake.wrong
        assert mistake.mend
        assert str(mistake).isprintable()
