"""Signals as something to read: the handler only notes the number, and Python's wakeup descriptor ends the loop's wait
(https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd).
"""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from types import FrameType

from picluster.ports import Order

__all__ = ["Signals"]

ORDERS = {signal.SIGTERM: Order.STOP, signal.SIGINT: Order.STOP, signal.SIGHUP: Order.RELOAD}


class Signals:
    """The port `Orders` by signals. Only the main thread may make one, and a process one at a time."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._given: list[Order] = []
        self._wakeup_before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._catch) for number in ORDERS}

    def fileno(self) -> int:
        return self._read.fileno()

    def given(self) -> list[Order]:
        with suppress(BlockingIOError):
            while self._read.recv(4_096):
                pass
        given, self._given = self._given, []
        return given

    def close(self) -> None:
        """Signals do again what they did before."""
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._wakeup_before)
        self._read.close()
        self._write.close()

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        self._given.append(ORDERS[signal.Signals(number)])
