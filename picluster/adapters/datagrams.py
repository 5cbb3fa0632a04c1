"""UDP to and from the peers: one socket each for IPv4 and IPv6, on the same port, neither of them ever blocking.

Why two sockets: an IPv6 socket that also takes IPv4 shows its peers as `::ffff:192.168.1.11`, and an endpoint would have two
spellings. With IPV6_V6ONLY both families can bind one port (RFC 3493 section 5.3). A machine without IPv6 has one socket.

The datagrams are few, small and late at once when they wait behind a download. So they carry DSCP CS6, the class for network
control in RFC 4594, as routing protocols do: switches that look at it let them pass, and Wi-Fi sends them in
its voice queue (mac80211 takes the upper three bits of the DSCP as the WMM priority). SO_PRIORITY 6 does the same for the
queues of this machine and needs no privilege (socket(7)). Both are requests that a network is free to ignore.

Hosts are numbers here, never names: a look-up of a name would block. IPv6 link-local hosts carry their zone, `fe80::1%eth0`;
its interface is looked up for each datagram, since a replugged Ethernet adapter comes back under another index.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Collection, Sequence

from picluster.errors import KernelError
from picluster.model.endpoint import Endpoint
from picluster.ports import EVERYTHING
from picluster.wire import LONGEST_DATAGRAM

MOST_AT_ONCE = 256
"""Datagrams that one `receive` hands out, so that a flood cannot keep the loop from its timers."""
RECEIVE_BUFFER_BYTES = 256 * 1024
"""Some hundred datagrams, as the kernel counts them: a burst while the agent waits for its turn fits. More would only
keep old news for an agent that was frozen. The kernel caps it at net.core.rmem_max."""
_CLASS_CS6 = 48 << 2
_PRIORITY = 6
_EVERY_HOST = ("0.0.0.0", "::")  # noqa: S104  every interface is meant: peers may be on any, and the seal says who is one
_FREE_PORT_TRIES = 32
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL}
_MENDS = {
    errno.EADDRINUSE: "Another agent or program has this port: stop it, or give the cluster another port",
    errno.EADDRNOTAVAIL: "No interface has this address: mend `hosts`, or leave it out to listen everywhere",
    errno.EACCES: "Ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one",
}

_SocketAddress = tuple[str, int] | tuple[str, int, int, int]


class UdpDatagrams:
    """The port `Datagrams` on real sockets. `port` 0 takes a free one, the same for both families; `hosts` are own
    addresses to listen on, by default all. Raises `KernelError` where a port or an address cannot be had."""

    def __init__(self, port: int = 0, hosts: Sequence[str] = ()) -> None:
        self._sockets = _listen(port, hosts)
        self._port: int = self._sockets[0].getsockname()[1]
        self._own_addresses = [(own, _number(own.family, own.getsockname()[0])) for own in self._sockets]

    @property
    def port(self) -> int:
        return self._port

    def filenos(self) -> tuple[int, ...]:
        return tuple(own.fileno() for own in self._sockets)

    def send(self, to: Endpoint, data: bytes) -> None:
        # No route, no such interface, a full buffer: lost like any other, and the next heartbeat is another try.
        with contextlib.suppress(OSError):
            family, address = _socket_address(to)
            self._towards(family, address[0]).sendto(data, address)

    def receive(self, readable: Collection[int] = EVERYTHING, /) -> list[tuple[Endpoint, bytes]]:
        """What has arrived, oldest first on each socket. A datagram of more than 1,200 bytes comes cut to 1,201: the wire
        refuses and counts it as too long, where all other refusals are counted."""
        arrived = []
        for own in self._sockets:
            if own.fileno() not in readable:
                continue
            for _ in range(MOST_AT_ONCE // len(self._sockets)):
                try:
                    data, source = own.recvfrom(LONGEST_DATAGRAM + 1)
                except OSError:  # mostly BlockingIOError: there is no more
                    break
                arrived.append((_endpoint(source), data))
        return arrived

    def close(self) -> None:
        for own in self._sockets:
            own.close()
        self._sockets = []
        self._own_addresses = []

    def _towards(self, family: int, host: str) -> socket.socket:
        """The socket to send from: where several addresses of a family are bound, the one that is most like the receiver's
        (the longest matching prefix, RFC 6724 section 5, rule 8)."""
        ours = [(own, number) for own, number in self._own_addresses if own.family == family]
        if not ours:
            raise OSError(errno.EAFNOSUPPORT, "no socket of this family")
        if len(ours) == 1:
            return ours[0][0]
        target = _number(family, host)
        return min(ours, key=lambda candidate: (candidate[1] ^ target).bit_length())[0]


def _listen(port: int, hosts: Sequence[str]) -> list[socket.socket]:
    """Bound sockets on one port. A free port of one family may be taken in the other; then the next one is tried."""
    for _ in range(_FREE_PORT_TRIES):
        try:
            return _bind_all(port, hosts)
        except KernelError as error:
            taken = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE
            if port or not taken:
                raise
    raise KernelError(f"no UDP port was free for all of {', '.join(hosts or _EVERY_HOST)}. Name one")


def _bind_all(port: int, hosts: Sequence[str]) -> list[socket.socket]:
    with contextlib.ExitStack() as undo:
        bound: list[socket.socket] = []
        for host in hosts or _EVERY_HOST:
            try:
                own = undo.enter_context(_bind(Endpoint(host, port)))
            except OSError as error:
                if not hosts and error.errno in _NO_SUCH_FAMILY:
                    continue
                mend = _MENDS.get(error.errno or 0, "`hosts` takes own IP addresses, not names")
                raise KernelError(f"cannot listen on {Endpoint(host, port)}: {error.strerror or error}. {mend}") from error
            bound.append(own)
            port = own.getsockname()[1]
        if not bound:
            raise KernelError("this machine has neither IPv4 nor IPv6. Bring up a network interface, at least `lo`")
        undo.pop_all()
        return bound


def _bind(at: Endpoint) -> socket.socket:
    family, address = _socket_address(at)
    own = socket.socket(family, socket.SOCK_DGRAM)
    try:
        own.settimeout(0)  # non-blocking
        if family == socket.AF_INET6:
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        _ask_for_precedence(own)
        own.bind(address)
    except BaseException:
        own.close()
        raise
    return own


def _ask_for_precedence(own: socket.socket) -> None:
    """Best effort. The priority comes last: setting the class of an IPv4 socket sets its priority too (ip(7))."""
    wishes = [
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CLASS_CS6)
        if own.family == socket.AF_INET6
        else (socket.IPPROTO_IP, socket.IP_TOS, _CLASS_CS6)
    ]
    if hasattr(socket, "SO_PRIORITY"):  # Linux has it
        wishes.append((socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY))
    for wish in wishes:
        with contextlib.suppress(OSError):
            own.setsockopt(*wish)


def _socket_address(endpoint: Endpoint) -> tuple[socket.AddressFamily, _SocketAddress]:
    """The family and what the socket calls want. Raises OSError where the host is no number, or its zone no interface."""
    if ":" not in endpoint.host:
        socket.inet_pton(socket.AF_INET, endpoint.host)
        return socket.AF_INET, (endpoint.host, endpoint.port)
    host, _, zone = endpoint.host.partition("%")
    socket.inet_pton(socket.AF_INET6, host)
    return socket.AF_INET6, (host, endpoint.port, 0, socket.if_nametoindex(zone) if zone else 0)


def _endpoint(source: _SocketAddress) -> Endpoint:
    if len(source) == 2 or not source[3]:
        return Endpoint(source[0], source[1])
    try:
        zone = socket.if_indextoname(source[3])
    except OSError:  # unplugged since the datagram came
        zone = str(source[3])
    return Endpoint(f"{source[0]}%{zone}", source[1])


def _number(family: int, host: str) -> int:
    return int.from_bytes(socket.inet_pton(family, host), "big")
