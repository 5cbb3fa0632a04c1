"""UDP between agents of one machine that goes through a switch: a program that may drop it, as a network may.

Between processes of one machine no cable can be cut, and no datagram is lost. So the lab puts a relay in between
(`picluster.lab.relay`), and agents whose configuration names its port send everything there. In front of each datagram
stands a port, two bytes in network order: on the way to the switch that of the receiver, on the way from it that of the
sender. Everybody is on 127.0.0.1, so a port says it all.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection

from picluster.errors import KernelError
from picluster.model.endpoint import Endpoint
from picluster.ports import EVERYTHING
from picluster.wire import LONGEST_DATAGRAM

__all__ = ["HOST", "LONGEST_FRAME", "PORT", "SwitchedDatagrams"]

HOST = "127.0.0.1"
PORT = struct.Struct("!H")
LONGEST_FRAME = PORT.size + LONGEST_DATAGRAM
MOST_AT_ONCE = 256
"""Datagrams that one `receive` hands out."""


class SwitchedDatagrams:
    """The port `Datagrams` through a switch. `port` 0 takes a free one. Raises KernelError where the port is taken."""

    def __init__(self, port: int, switch: int) -> None:
        self._switch = (HOST, switch)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise KernelError(f"cannot listen on {HOST}:{port}: {error.strerror}. Give the node another port") from error

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def filenos(self) -> tuple[int, ...]:
        return (self._socket.fileno(),)

    def send(self, to: Endpoint, data: bytes) -> None:
        """Only the receiver's port counts: its host is this one."""
        try:
            self._socket.sendto(PORT.pack(to.port) + data, self._switch)
        except OSError:
            return  # the switch has ended, or its queue is full: lost, as on any network

    def receive(self, _readable: Collection[int] = EVERYTHING, /) -> list[tuple[Endpoint, bytes]]:
        """What has come from the switch; whatever somebody else sends is no frame."""
        arrived = []
        for _ in range(MOST_AT_ONCE):
            try:
                frame, source = self._socket.recvfrom(LONGEST_FRAME + 1)
            except BlockingIOError:
                break
            except ConnectionError:
                continue  # some systems tell here that an earlier datagram found no switch
            if source == self._switch and len(frame) >= PORT.size:
                arrived.append((Endpoint(HOST, PORT.unpack_from(frame)[0]), frame[PORT.size :]))
        return arrived

    def close(self) -> None:
        self._socket.close()
