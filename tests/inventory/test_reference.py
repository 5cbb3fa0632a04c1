"""docs/inventory.md tells the truth: every key, every preset, every board, and the defaults that are numbers or words."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from picluster.agent.configuration import CONFIGURATION_KEYS
from picluster.inventory import load
from picluster.inventory.failover import BOUNDS_MS, DEFAULT_PRESET
from picluster.inventory.keys import KEYS, TIMERS
from picluster.inventory.network import DEFAULT_INTERFACE
from picluster.model.boards import BOARDS, COLOURS
from picluster.model.inventory import DEFAULT_PORT
from picluster.model.timing import PRESETS, Timing

TEXT = (Path(__file__).parents[2] / "docs" / "inventory.md").read_text(encoding="utf-8")
INVENTORY_PART, AGENT_PART = TEXT.split("# The agent's configuration file")


def rows(text: str) -> dict[str, list[str]]:
    """The cells of every table row that starts with a word in backquotes, by that word."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, flags=re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in found}


def keys_of(schema: dict[str, tuple[str, ...]]) -> set[str]:
    """Full names of all keys, without those that are only the names of sections."""
    return {f"{section}.{key}".lstrip(".") for section, keys in schema.items() for key in keys}


def test_every_key_of_the_inventory_is_described_and_no_other() -> None:
    known = keys_of({section: tuple(keys) for section, keys in KEYS.items() if section})
    assert {name for name in rows(INVENTORY_PART) if "." in name} == known


def test_every_key_of_the_agent_is_described_and_no_other() -> None:
    assert set(rows(AGENT_PART)) == keys_of({section: tuple(keys) for section, keys in CONFIGURATION_KEYS.items()})


@pytest.mark.parametrize("timer", TIMERS)
def test_the_default_of_a_timer_is_that_of_the_default_preset(timer: str) -> None:
    default, meaning = rows(INVENTORY_PART)[f"failover.{timer}"]
    assert int(default.strip("`")) == getattr(PRESETS[DEFAULT_PRESET], timer)
    low, high = BOUNDS_MS[timer]
    bounded = {"renewal_ms": "2/5 T", "retry_ms": "R", "rank_step_ms": "T/3"}
    shown_high = bounded.get(timer, f"{high:_}")
    assert re.search(rf"\b{low} to {shown_high}", meaning)


def test_the_other_defaults() -> None:
    table = rows(INVENTORY_PART)
    assert table["failover.preset"][0] == f'`"{DEFAULT_PRESET}"`'
    assert table["network.interface"][0] == f'`"{DEFAULT_INTERFACE}"`'
    assert table["network.port"][0] == f"`{DEFAULT_PORT}`"


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_of_presets(name: str) -> None:
    timing = PRESETS[name]
    cells = rows(INVENTORY_PART)[name]
    assert [int(cell) for cell in cells[:5]] == [getattr(timing, timer) for timer in TIMERS[:5]]
    assert cells[5] == f"{timing.expected_outage_ms(1.0):.1f} ms"
    assert cells[6] == f"{timing.longest_outage_ms(1.0):.1f} ms"


def test_presets_differ_only_in_what_their_table_shows() -> None:
    assert {getattr(timing, field.name) for timing in PRESETS.values() for field in fields(Timing)[5:]} == {30_000, 300}


@pytest.mark.parametrize("name", BOARDS)
def test_the_table_of_boards(name: str) -> None:
    title, *pins = rows(INVENTORY_PART)[name]
    board = BOARDS[name]
    assert title == board.title
    shown = {colour: int(pin) for colour, pin in zip(COLOURS, pins, strict=True) if pin.isdigit()}
    assert shown == {colour.value: pin for colour, pin in board.pins.items()}


def test_the_inventory_that_is_shown_loads() -> None:
    [shown] = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert load(shown, "docs/inventory.md").node_names == ("pi1",)
