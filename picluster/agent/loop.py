"""The loop: waits for descriptors and deadlines, and ends the agent gracefully on SIGTERM and SIGINT.

`select` rather than epoll: it waits with microseconds where epoll counts milliseconds, and a handful of descriptors is all
there is.
"""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from picluster.agent.control import ControlServer
from picluster.agent.daemon import Agent

LONGEST_WAIT_S = 1.0
PARTING_NS = 1_000_000_000
"""How long a stopping agent turns on for its releases to be repeated; then it goes anyway."""


class Signals:
    """Signals as something to read: the handler only notes the number, Python's wakeup descriptor ends the wait."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._caught: list[int] = []
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._catch)

    def fileno(self) -> int:
        return self._read.fileno()

    def caught(self) -> list[int]:
        with suppress(BlockingIOError):
            self._read.recv(64)
        caught, self._caught = self._caught, []
        return caught

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        self._caught.append(number)


def run(agent: Agent, control: ControlServer, signals: Signals, reload: Callable[[], None]) -> None:
    """Turn until told to stop, then until everything is handed over."""
    clock = agent.ports.clock
    ports = agent.ports
    always = (*ports.datagrams.filenos(), ports.beacon.fileno(), signals.fileno())
    give_up_ns: int | None = None
    while not agent.finished and (give_up_ns is None or clock.now_ns() < give_up_ns):
        wait_s = min(max(agent.deadline_ns - clock.now_ns(), 0) / 1e9, LONGEST_WAIT_S)
        readable = set(select.select([*always, *ports.keeper.filenos(), *control.filenos()], [], [], wait_s)[0])
        agent.turn()
        if readable.isdisjoint((signals.fileno(), *control.filenos())):
            continue
        control.serve(readable)
        for number in signals.caught():
            if number == signal.SIGHUP:
                reload()
            elif give_up_ns is None:
                give_up_ns = clock.now_ns() + PARTING_NS
                agent.stop()
