"""Lines of many journals become one story."""

from __future__ import annotations

import json

import pytest

from picluster.agent.journal import line_of
from picluster.controller.events import Story, Told, as_json, read_told, told_line
from picluster.model.events import Event, EventKind, Severity

TOOK = Event(
    EventKind.TOOK,
    Severity.INFO,
    "web (10.77.0.100) taken from pi1 (silence), 152.4 ms after its last sign",
    address="web",
    node="pi1",
    reason="silence",
    took_ms=152.4,
)
PLAIN = Event(EventKind.QUORUM_LOST, Severity.BAD, "too few voters: 1 of 3")
CONFLICT = Event(EventKind.CONFLICT, Severity.BAD, "somebody has it: look", address="web", reason="b8:27:eb:00:00:01")
AT_US = 1_700_000_000_123_456


def journal(message: object, at_us: int = AT_US) -> str:
    """As journalctl prints it: numbers are strings, and there are more of them."""
    return json.dumps({"__REALTIME_TIMESTAMP": str(at_us), "__CURSOR": "s=…", "_BOOT_ID": "…", "MESSAGE": message})


@pytest.mark.parametrize("event", [TOOK, PLAIN, CONFLICT], ids=lambda event: event.kind.value)
def test_what_an_agent_writes_is_understood(event: Event) -> None:
    told = read_told("pi2", journal(line_of(event)))
    assert told is not None
    assert (told.at_us, told.by, told.event) == (AT_US, "pi2", event)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-- No entries --",
        "[]",
        journal(None),
        journal([72, 101]),
        journal("Traceback (most recent call last):"),
        journal("info took"),
        journal("info danced: a kind that is not known here"),
        journal("warn took: a severity that is none"),
        journal("info took took_ms=soon: no number"),
        json.dumps({"MESSAGE": "info started: no time"}),
    ],
)
def test_everything_else_is_no_event(line: str) -> None:
    assert read_told("pi2", line) is None


def told(at_us: int, by: str) -> Told:
    return Told(at_us, by, PLAIN)


def test_events_come_in_the_order_of_time_whoever_is_heard_first() -> None:
    story = Story(hold_s=0.5)
    late, early, latest = told(2_000, "pi2"), told(1_000, "pi1"), told(3_000, "pi3")
    story.hear(late, 10.0)
    assert story.ripe(10.4) == [], "somebody may have been slower"
    story.hear(early, 10.4)
    story.hear(latest, 10.4)
    assert story.ripe(10.5) == [early, late], "what was before goes with it"
    assert story.ripe(10.5) == []
    assert story.rest() == [latest]
    assert story.rest() == []


def test_of_one_node_at_one_time_the_order_of_its_journal_counts() -> None:
    story = Story()
    for text in ("first", "second", "third"):
        story.hear(Told(1_000, "pi1", Event(EventKind.TOOK, Severity.INFO, text)), 0.0)
    assert [one.event.text for one in story.rest()] == ["first", "second", "third"]


def test_an_event_is_a_line_for_people_and_an_object_for_programs() -> None:
    line = told_line(Told(AT_US, "pi2", TOOK), width=4)
    assert line.endswith(".123  pi2   · web (10.77.0.100) taken from pi1 (silence), 152.4 ms after its last sign")
    assert "✗ too few" in told_line(Told(AT_US, "pi2", PLAIN), width=4)
    words = as_json(Told(AT_US, "pi2", TOOK))
    assert json.loads(json.dumps(words)) == words
    assert (words["at"], words["told_by"], words["node"]) == ("2023-11-14T22:13:20.123456Z", "pi2", "pi1")
    assert (words["kind"], words["severity"], words["took_ms"]) == ("took", "info", 152.4)
