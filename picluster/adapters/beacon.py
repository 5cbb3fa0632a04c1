"""The beacon on a real network: announces this agent by mDNS and watches for others (RFC 6762, RFC 6763).

mDNS takes its time: replies are delayed, announcements repeated, caches swept. The agent's loop decides within
milliseconds, so the two do not share a thread. Here is the half that the agent sees: a thread, and a mailbox with a
descriptor for its selector. `picluster.adapters.mdns` is the half that works in that thread; it is imported there too, so
that the agent need not wait for zeroconf and asyncio to load.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Collection
from contextlib import suppress

from picluster.discovery.records import Announcement
from picluster.model.inventory import IPAddress
from picluster.model.sighting import Sighting

CLOSING_S = 0.5
MOST_WAITING = 256

log = logging.getLogger(__name__)


class ZeroconfBeacon:
    """A `picluster.ports.Beacon`. Nothing that the network does is raised: where mDNS cannot work, it says so once in the
    log and keeps trying.

    `interfaces` names interfaces, or own addresses, to keep to; empty means every interface but the loopback.
    `leave_out` are addresses never to announce: the floating ones, which are not this machine's own.
    """

    def __init__(
        self, announcement: Announcement, *, interfaces: Collection[str] = (), leave_out: Collection[IPAddress] = ()
    ) -> None:
        self._announcement = announcement
        self._interfaces = tuple(interfaces)
        self._leave_out = tuple(leave_out)
        self._mailbox = Mailbox()
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="beacon", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._mailbox.fileno()

    def sightings(self) -> list[Sighting]:
        """What was sighted since the last call, oldest first; of one run of an agent only the latest."""
        return self._mailbox.take()

    def close(self) -> None:
        """Says goodbye and ends the thread; takes at most half a second. Closing twice is harmless."""
        if self._stop.fileno() < 0:
            return
        self._stop.close()
        self._thread.join(CLOSING_S)
        if self._thread.is_alive():
            log.warning("the beacon did not end in %.1f s; its goodbye may be missing", CLOSING_S)
        self._mailbox.close()

    def _run(self) -> None:
        try:
            from picluster.adapters import mdns  # noqa: PLC0415  loading it takes a second on a Pi Zero: the agent must not wait

            with self._stopped:
                mdns.run(self._announcement, self._interfaces, self._leave_out, self._mailbox, self._stopped)
        except Exception:  # a bug in here must not look like a quiet network
            log.exception("discovery by mDNS has ended; peers without an address in the inventory are not found any more")


class Mailbox:
    """Sightings on their way from one thread to another: the latest of each run, so that it cannot grow without bound."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str, int], Sighting] = {}
        self._reading, self._writing = socket.socketpair()
        self._reading.settimeout(0)
        self._writing.settimeout(0)

    def fileno(self) -> int:
        return self._reading.fileno()

    def put(self, sighting: Sighting) -> None:
        key = sighting.cluster, sighting.node, sighting.incarnation
        with self._lock:
            self._waiting.pop(key, None)
            self._waiting[key] = sighting
            if len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            # Full means that a byte is waiting already, closed that nobody reads any more.
            with suppress(OSError):
                self._writing.send(b"\0")

    def take(self) -> list[Sighting]:
        with self._lock:
            with suppress(BlockingIOError):
                while self._reading.recv(4_096):
                    pass
            sightings = list(self._waiting.values())
            self._waiting.clear()
        return sightings

    def close(self) -> None:
        with self._lock:
            self._reading.close()
            self._writing.close()
