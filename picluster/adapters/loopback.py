"""The stand-in for machines without network namespaces: a floating address is a UDP port on 127.0.0.1.

A port, like an address, has one owner at a time, and the kernel sees to it: whoever holds the address binds the port,
without SO_REUSEADDR or SO_REUSEPORT, so a second holder is refused. The keeper plays the service behind the address itself:
a request is eight bytes, and the answer the same eight bytes and the node's name. It needs no root and runs on every
system.

What it cannot show: the kernel does not know how long the lease is. A frozen process keeps its port, mute, and its successor
is refused until it thaws or dies; so nobody answers twice, and nobody answers at all meanwhile.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress, IPAddress
from picluster.ports import EVERYTHING, Clock, GatewayAnswered, Observation

__all__ = ["LoopbackAddressKeeper"]

HOST = "127.0.0.1"
REQUEST_BYTES = 8
AT_ONCE = 256
"""How many requests of one port are answered in one turn of the agent's loop."""


@dataclass(slots=True)
class Rented:
    """A bound port and the end of its lease."""

    socket: socket.socket
    until_ns: int


class LoopbackAddressKeeper:
    """A `picluster.ports.AddressKeeper` on loopback. It answers only while the agent's loop runs."""

    def __init__(self, node: str, ports: Mapping[str, int], clock: Clock) -> None:
        """`ports`: which UDP port stands for which floating address, by the address's name."""
        self._name = node.encode()
        self._ports = dict(ports)
        self._clock = clock
        self._rented: dict[str, Rented] = {}
        self._answers: list[Observation] = []

    def not_covered(self) -> tuple[str, ...]:
        return (
            "Floating addresses are ports on loopback here: a frozen agent keeps its port, "
            "so that its address moves only when it thaws or dies.",
        )

    def incapable(self) -> str:
        return ""  # anybody may bind a port

    def clean_slate(self, addresses: Iterable[FloatingAddress]) -> None:
        """Ports go with the process that bound them; there is nothing left of an earlier one."""
        for floating in addresses:
            self.let_go(floating)

    def hold(self, floating: FloatingAddress, until_ns: int) -> bool:
        """Raises KernelError where the port is still bound, or none was configured for the address."""
        if self._clock.now_ns() >= until_ns:
            self.let_go(floating)
            return False
        rented = self._rented.get(floating.name)
        if rented is None:
            rented = self._rented[floating.name] = Rented(self._bind(floating.name), until_ns)
        rented.until_ns = until_ns
        return True

    def let_go(self, floating: FloatingAddress) -> None:
        self._close(floating.name)

    def forget(self, floating: FloatingAddress) -> None:
        self._close(floating.name)

    def announce(self, floating: FloatingAddress) -> None:
        """There is nobody to tell: a port has no neighbours."""

    def probe(self, floating: FloatingAddress) -> None:
        """Nothing foreign can have the address: the port is found free or taken when it is bound."""

    def ask_gateway(self, _gateway: IPAddress, _interface: str, number: int) -> None:
        """A machine reaches itself: answered with the next observations."""
        self._answers.append(GatewayAnswered(number))

    def filenos(self) -> tuple[int, ...]:
        return tuple(rented.socket.fileno() for rented in self._rented.values())

    def observations(self, _readable: Collection[int] = EVERYTHING, /) -> list[Observation]:
        """Answers the requests that wait. A lease that has ended meanwhile is let go unanswered."""
        for name in list(self._rented):
            self._serve(name)
        seen, self._answers = self._answers, []
        return seen

    def close(self) -> None:
        for name in list(self._rented):
            self._close(name)

    def _bind(self, name: str) -> socket.socket:
        port = self._ports.get(name)
        if port is None:
            raise KernelError(f"no loopback port is configured for {name}; add it to `ports` under [loopback]")
        fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        fresh.setblocking(False)
        try:
            fresh.bind((HOST, port))
        except OSError as error:
            fresh.close()
            if error.errno == errno.EADDRINUSE:
                raise KernelError(f"port {port}, which stands for {name}, is still bound by another process") from error
            raise KernelError(f"port {port}, which stands for {name}, cannot be bound: {error.strerror}") from error
        return fresh

    def _serve(self, name: str) -> None:
        rented = self._rented[name]
        for _ in range(AT_ONCE):
            try:
                request, client = rented.socket.recvfrom(64)
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # a client that went away before its answer: some systems report it here
            # The clock is read for each answer: the process may have been frozen between two.
            if self._clock.now_ns() >= rented.until_ns:
                self._close(name)
                return
            if len(request) == REQUEST_BYTES:
                self._answer(rented.socket, request + self._name, client)

    @staticmethod
    def _answer(server: socket.socket, answer: bytes, client: tuple[str, int]) -> None:
        try:
            server.sendto(answer, client)
        except OSError:
            return  # the client's loss: it counts the request as unanswered

    def _close(self, name: str) -> None:
        rented = self._rented.pop(name, None)
        if rented is not None:
            rented.socket.close()
