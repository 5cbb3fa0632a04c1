"""The journal: one line an event, and never a wait."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys

import pytest

from picluster.agent.journal import MOST_WAITING, Journal, line_of
from picluster.model.events import Event, EventKind, Severity

TOOK = Event(EventKind.TOOK, Severity.INFO, "web taken", "web", "pi1", "no majority", 148.24)
PLAIN = Event(EventKind.STARTED, Severity.BAD, "started")


def written(*events: Event, under_systemd: bool = False) -> list[str]:
    stream = io.StringIO()
    journal = Journal(stream, under_systemd=under_systemd)
    for event in events:
        journal.log(event)
    journal.close()
    return stream.getvalue().splitlines()


def test_a_line_has_fields_for_programs_and_then_the_sentence() -> None:
    assert line_of(TOOK) == "info took address=web node=pi1 reason=no_majority took_ms=148.2: web taken"
    assert line_of(PLAIN) == "bad started: started"


def test_an_event_is_one_line_whatever_its_text() -> None:
    event = Event(EventKind.RECONFIGURED, Severity.BAD, "two mistakes:\n  one\n  two", reason="a\nb")
    assert line_of(event) == "bad reconfigured reason=a_b: two mistakes: one two"


def test_a_terminal_gets_the_time_in_front() -> None:
    [line] = written(TOOK)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d info took .*", line)


@pytest.mark.parametrize(("severity", "number"), [(Severity.INFO, 6), (Severity.WARNING, 4), (Severity.BAD, 3)])
def test_systemd_gets_the_priority_in_front(severity: Severity, number: int) -> None:
    [line] = written(Event(EventKind.STARTED, severity, "x"), under_systemd=True)
    assert line == f"<{number}>{severity.value} started: x"


def test_events_keep_their_order() -> None:
    texts = [str(number) for number in range(1_000)]
    lines = written(*(Event(EventKind.STARTED, Severity.INFO, text) for text in texts))
    assert [line.rpartition(": ")[2] for line in lines] == texts


class FullDisk(io.StringIO):
    """Has no room for the first line, and some for the others."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True

    def flush(self) -> None:
        if self.full:
            self.full = False
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_was_full_for_a_while_is_written_to_again() -> None:
    stream = FullDisk()
    journal = Journal(stream)
    for text in ("one", "two"):
        journal.log(Event(EventKind.STARTED, Severity.INFO, text))
    journal.close()
    assert stream.getvalue().splitlines()[-1].endswith("started: two")


def test_what_is_logged_says_when_it_was() -> None:
    journal = Journal(io.StringIO())
    logged = journal.log(TOOK)
    journal.close()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d", logged.clock)
    assert logged.event is TOOK


def test_a_stream_that_was_closed_ends_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    journal = Journal(stream)
    journal.log(TOOK)
    journal.log(TOOK)
    journal.close()


def test_a_stream_that_blocks_keeps_neither_the_agent_nor_its_end_waiting() -> None:
    """A pipe that nobody reads, and more events than the journal keeps. Would it wait, this would take for ever."""
    program = (
        "import sys; from picluster.agent.journal import *; from picluster.model.events import *; journal = Journal();"
        "event = Event(EventKind.STARTED, Severity.INFO, 'x' * 200);"
        f"[journal.log(event) for _ in range({2 * MOST_WAITING})]; journal.close(); print('ended')"
    )
    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-c", program]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=writing, timeout=60, check=True)
    finally:
        os.close(reading)
        os.close(writing)
    assert ended.stdout == b"ended\n"
