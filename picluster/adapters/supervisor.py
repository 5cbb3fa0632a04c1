"""The service manager that started this process, told by datagrams how it fares (man 3 sd_notify, sd_watchdog_enabled).

It is told `READY=1` once, `WATCHDOG=1` as long as the agent's loop turns, what happened last in one line (`systemctl status`
shows it), and `STOPPING=1`. Where nobody supervises, nothing is said.

The agent must never wait for its supervisor. While that is busy (a Pi Zero spends more than ten seconds on reading its units
anew) datagrams may find no room. A line of status is then lost, and a sign of life is tried again with the next turn.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

__all__ = ["Supervisor"]

NEVER_NS = 1 << 63
LONGEST_STATUS = 500
"""Characters; a datagram has to fit into the other end's buffer."""


class Supervisor:
    """systemd, or whoever else set NOTIFY_SOCKET."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is one of Linux' abstract ones, which live in no file system (man 7 unix).
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._period_ns = _period_ns(environment) if self._address else 0
        self._due_ns = 0 if self._period_ns else NEVER_NS

    def ready(self) -> None:
        """The agent takes part from now on."""
        self._say("READY=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for people."""
        self._say("STATUS=" + " ".join(text.split())[:LONGEST_STATUS])

    def alive(self, now_ns: int) -> None:
        """A sign of life, twice in the time after which the watchdog bites. To be called with every turn of the loop, and
        by nothing else: mostly it compares two numbers."""
        if now_ns >= self._due_ns and self._say("WATCHDOG=1"):
            self._due_ns = now_ns + self._period_ns

    def close(self) -> None:
        self._socket.close()

    def _say(self, words: str) -> bool:
        """Whether it was taken."""
        if self._address:
            with suppress(OSError):
                self._socket.sendto(words.encode(), self._address)
                return True
        return False


def _period_ns(environment: Mapping[str, str]) -> int:
    """How often the watchdog wants to hear of this very process; 0: it does not."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", str(os.getpid()))
    return int(microseconds) * 1_000 // 2 if microseconds.isdecimal() and meant == str(os.getpid()) else 0
