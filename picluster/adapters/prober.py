"""Asks an address hundreds of times a second whether anybody is there, and remembers when which answer came; without root.

Each request is the beginning of a TCP connection. Whoever refuses it is there (RFC 9293 section 3.10.7.1), and the kernel
does that by itself: so what is measured is when the address answers, not when some service is up again. Nothing limits how
often Linux refuses, while its ICMP answers to UDP are held to one a second (man 7 icmp, icmp_ratelimit). Where somebody
accepts, the connection is reset at once, which leaves nothing behind on either side (man 7 socket, SO_LINGER of zero).

A request is given up before the kernel would repeat it, a second after the first (RFC 6298 section 2.1): an answer always
belongs to the moment at which it was asked.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import threading
from types import TracebackType
from typing import Self

from picluster.adapters.clock import BootClock
from picluster.model.inventory import IPAddress
from picluster.model.probe import Probe

__all__ = ["PORT", "TcpProber"]

PORT = 9
"""TCP port that is asked where nobody names another: of `discard` (RFC 863), which hardly anybody runs."""
INTERVAL_NS = 2_000_000
"""500 requests a second."""
GIVEN_UP_NS = 800_000_000
AT_ONCE = struct.pack("ii", 1, 0)
"""struct linger: closing resets the connection."""
ON_ITS_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})


class TcpProber:
    """Asks from the moment it is entered until it is left, in a thread of its own."""

    def __init__(self, address: IPAddress, port: int = PORT, interval_ns: int = INTERVAL_NS) -> None:
        self.interval_ns = interval_ns
        self._to = (str(address), port)
        self._family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._clock = BootClock()
        self._selector = selectors.DefaultSelector()
        self._sent: list[int] = []
        self._answered: dict[int, int] = {}
        """When the answer came, by the number of the request."""
        self._waiting: dict[int, socket.socket] = {}
        """Requests without an answer, by number; the oldest first."""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="prober", daemon=True)

    def now_ns(self) -> int:
        """By the clock of the probes."""
        return self._clock.now_ns()

    def probes(self, since_ns: int) -> list[Probe]:
        """What was sent from then on, in order. The latest may still be answered."""
        with self._lock:
            first = next((number for number in reversed(range(len(self._sent))) if self._sent[number] < since_ns), -1) + 1
            return [Probe(self._sent[number], self._answered.get(number)) for number in range(first, len(self._sent))]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        for number in list(self._waiting):
            self._end(number)
        self._selector.close()

    def _ask(self) -> None:
        due_ns = self.now_ns()
        while not self._stopped.is_set():
            now_ns = self.now_ns()
            if now_ns >= due_ns:
                self._send(now_ns)
                due_ns = max(due_ns, now_ns - self.interval_ns) + self.interval_ns  # what was missed is not made up for
            self._listen(max(0, due_ns - self.now_ns()))
            self._give_up(self.now_ns())

    def _send(self, now_ns: int) -> None:
        number = len(self._sent)
        with self._lock:
            self._sent.append(now_ns)
        try:
            asking = socket.socket(self._family, socket.SOCK_STREAM)
        except OSError:
            return  # no descriptors are left: a request that gets no answer
        asking.setblocking(False)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        outcome = asking.connect_ex(self._to)
        self._waiting[number] = asking
        if outcome in ON_ITS_WAY:
            self._selector.register(asking, selectors.EVENT_WRITE, number)
        else:
            self._note(number, outcome)

    def _listen(self, most_ns: int) -> None:
        for key, _ in self._selector.select(most_ns / 1e9):
            asking = self._waiting[key.data]
            self._note(key.data, asking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _note(self, number: int, outcome: int) -> None:
        """An answer, or that none can come: nobody knows the way, or the neighbour."""
        if outcome in {0, errno.ECONNREFUSED}:
            now_ns = self.now_ns()
            with self._lock:
                self._answered[number] = now_ns
        self._end(number)

    def _give_up(self, now_ns: int) -> None:
        while self._waiting and now_ns - self._sent[number := next(iter(self._waiting))] > GIVEN_UP_NS:
            self._end(number)

    def _end(self, number: int) -> None:
        asking = self._waiting.pop(number)
        if asking in self._selector.get_map():
            self._selector.unregister(asking)
        asking.close()
