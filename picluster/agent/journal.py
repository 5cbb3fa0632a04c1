"""Events on their way to people: one line each on standard error, for the journal or a terminal.

    2026-11-23 12:03:41.2 info took address=web node=pi1 reason=silence took_ms=148.2: web (10.77.0.100) taken from pi1 …

Under systemd the journal adds the time, and a `<4>` in front tells it the priority (man 3 sd-daemon). A terminal or a full
disk behind standard error may block whoever writes to it, and the agent must never block: so a thread of its own writes.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from contextlib import suppress
from typing import TextIO

from picluster.agent.daemon import Logged
from picluster.model.events import Event, Severity

_PRIORITIES = {Severity.INFO: 6, Severity.WARNING: 4, Severity.BAD: 3}
MOST_WAITING = 10_000
CLOSING_S = 1.0


class Journal:
    """Writes events in the order in which they happened, some microseconds later."""

    def __init__(self, stream: TextIO = sys.stderr, under_systemd: bool | None = None) -> None:
        self._stream = stream
        self._under_systemd = "JOURNAL_STREAM" in os.environ if under_systemd is None else under_systemd
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def log(self, event: Event) -> Logged:
        now = time.time()
        local = time.localtime(now)
        clock = f"{time.strftime('%H:%M:%S', local)}.{int(now * 10) % 10}"
        prefix = (
            f"<{_PRIORITIES[event.severity]}>" if self._under_systemd else f"{time.strftime('%Y-%m-%d', local)} {clock} "
        )
        # Where nobody has read 10,000 lines, one more is lost; what matters is still on the dashboard.
        with suppress(queue.Full):
            self._lines.put_nowait(prefix + line_of(event))
        return Logged(clock, event)

    def close(self) -> None:
        """Ends when all is written, or after a second: who does not read must not keep the agent from ending."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=CLOSING_S)
            self._thread.join(CLOSING_S)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                print(line, file=self._stream, flush=True)
            except (BrokenPipeError, ValueError):
                return  # nobody listens any more
            except OSError:
                continue  # a full disk, say, which may have room again for the next one


def line_of(event: Event) -> str:
    """The event as one line: fields for programs, then the sentence for people."""
    fields = {
        "address": event.address,
        "node": event.node,
        "reason": "_".join(event.reason.split()),
        "took_ms": "" if event.took_ms is None else f"{event.took_ms:.1f}",
    }
    told = "".join(f" {key}={value}" for key, value in fields.items() if value)
    return f"{event.severity.value} {event.kind.value}{told}: {' '.join(event.text.split())}"
