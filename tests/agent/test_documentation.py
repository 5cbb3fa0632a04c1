"""docs/events.md tells of every kind of event, and of every cause of a move."""

from __future__ import annotations

import re
from pathlib import Path

from picluster.model.events import EventKind
from picluster.model.messages import Cause

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None
    return [line.split("|")[1].strip(" `") for line in table[1].splitlines()]


def test_every_kind_of_event_is_explained() -> None:
    assert sorted(first_column("kind")) == sorted(kind.value for kind in EventKind)


def test_every_cause_of_a_move_is_explained() -> None:
    assert sorted(first_column("reason")) == sorted(cause.value for cause in Cause)
