"""Timers are written into an inventory, and nothing else in it changes by a byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.errors import InventoryError
from picluster.inventory import load
from picluster.inventory.editing import with_timers

EXAMPLES = sorted((Path(__file__).parents[2] / "inventory").glob("*.toml"))
NEW = {"lease_ms": 90, "renewal_ms": 30, "retry_ms": 5}
BY_HAND = """# My cluster. Do not touch!
[cluster]
name = "home"

  [failover]   # tuned in winter
  preset = "wired"
  lease_ms   =   0x96# not 200, see the log
  "renewal_ms" = 5_0

[addresses.web]           # answers on the shelf
address = '10.77.0.100'

[nodes.pi1]
[nodes.pi2]
[nodes.pi3]
"""


def test_values_are_replaced_where_they_stand_and_new_keys_go_below() -> None:
    edited = with_timers(BY_HAND, "home.toml", NEW)
    expected = BY_HAND.replace("0x96", "90").replace('"renewal_ms" = 5_0\n', '"renewal_ms" = 30\n  retry_ms = 5\n')
    assert edited == expected


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_can_be_edited(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    edited = with_timers(text, path.name, NEW)
    timing = load(edited, path.name).configuration.timing
    assert (timing.lease_ms, timing.renewal_ms, timing.retry_ms) == (90, 30, 5)
    before, after = text.split("\n"), edited.split("\n")
    assert [line for line in after if line not in before or line == ""] != []
    kept = iter(after)
    assert all(line in kept for line in before if not line.strip().startswith(tuple(NEW)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[nodes.pi1]", "[nodes.pi1]\n\n[failover]\nlease_ms = 90\n"),
        ("[nodes.pi1]\r\n", "[nodes.pi1]\r\n\r\n[failover]\r\nlease_ms = 90\r\n"),
        ("[failover]", "[failover]\nlease_ms = 90\n"),
        ("[failover]\r\n[nodes.pi1]\r\n", "[failover]\r\nlease_ms = 90\r\n[nodes.pi1]\r\n"),
        ('failover.preset = "wifi" # slow\nx = 1\n', 'failover.preset = "wifi" # slow\nfailover.lease_ms = 90\nx = 1\n'),
        ("failover.lease_ms = 150", "failover.lease_ms = 90"),
        ("[failover]\nlease_ms = 150 # = 3 x 50\n", "[failover]\nlease_ms = 90 # = 3 x 50\n"),
        ("\ufeff[failover]\nlease_ms=150", "\ufeff[failover]\nlease_ms=90"),
        ("", "\n[failover]\nlease_ms = 90\n"),
    ],
)
def test_every_way_to_write_a_section(text: str, expected: str) -> None:
    assert with_timers(text, "home.toml", {"lease_ms": 90}) == expected


@pytest.mark.parametrize("text", ["failover = { lease_ms = 150 }\n", "lease_ms = = 1"])
def test_what_only_a_person_should_edit_is_left_alone(text: str) -> None:
    with pytest.raises(InventoryError):
        with_timers(text, "home.toml", {"lease_ms": 90})


def test_a_mistake_says_what_to_write_by_hand() -> None:
    with pytest.raises(InventoryError, match=r"Write these into it by hand: lease_ms = 90, renewal_ms = 30, retry_ms = 5"):
        with_timers("failover = { lease_ms = 150 }\n", "home.toml", NEW)


def test_to_change_nothing_changes_nothing() -> None:
    assert with_timers(BY_HAND, "home.toml", {}) == BY_HAND


FRAGMENTS = (
    "[failover]",
    "lease_ms = 150",
    "# note",
    "",
    "[nodes.pi1]",
    "retry_ms = 9 # =",
    "  renewal_ms=40",
    'note = "[failover]"',
)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8), st.sampled_from(("\n", "\r\n")), st.booleans())
def test_other_lines_survive_or_the_edit_is_refused(lines: list[str], end: str, ended: bool) -> None:
    text = end.join(lines) + (end if ended else "")
    try:
        edited = with_timers(text, "home.toml", NEW)
    except InventoryError:
        return
    kept = iter(edited.splitlines())
    assert all(line in kept for line in text.splitlines() if "_ms" not in line)
    assert with_timers(edited, "home.toml", NEW) == edited
