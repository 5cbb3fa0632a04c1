"""TCP connections to a floating address, ended before the address goes: sock_diag (man 7 sock_diag; linux/inet_diag.h), what
`ss --kill` does.

A client that waits for an answer, and sends nothing, never learns that the machine it waits for has changed: the next holder
knows no such connection, and nobody asks it. So a holder that hands its address over resets the connections while it may
still speak: the client's read fails at once, and it connects anew. The service behind the address sees its connections
aborted (ECONNABORTED), which spares it to wait for clients that will never come.

A client that sends something needs none of this: the next holder's kernel answers with a reset of its own.

Listening sockets stay. So do connections of containers: they live in network namespaces of their own.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from picluster.adapters.netlink import NLM_F_DUMP, Netlink, attribute
from picluster.errors import KernelError
from picluster.model.inventory import IPAddress

__all__ = ["Connections"]

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
REQUEST = struct.Struct("=BBBxI")
"""struct inet_diag_req_v2 up to the socket's identity: family, protocol, extensions, states wanted as a bit mask."""
IDENTITY_AT, IDENTITY_BYTES = 4, 48
"""struct inet_diag_sockid in an answer: ports, addresses, interface and cookie."""
INET_DIAG_REQ_BYTECODE, INET_DIAG_BC_S_COND = 1, 7
OPERATION, CONDITION, ANY_PORT = struct.Struct("=BBH"), struct.Struct("=BBxxi"), -1
TCP_TIME_WAIT, TCP_CLOSE, TCP_LISTEN, TCP_NEW_SYN_RECV = 6, 7, 10, 12
CONNECTED = 0x1FFF & ~sum(1 << state for state in (0, TCP_TIME_WAIT, TCP_CLOSE, TCP_LISTEN, TCP_NEW_SYN_RECV))
"""States in which somebody at the other end may be waiting."""


def _from(address: IPAddress) -> bytes:
    """The kernel's filter: sockets whose own address is this one, an IPv4 address on an IPv6 socket included."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    condition = CONDITION.pack(family, address.max_prefixlen, ANY_PORT) + address.packed
    length = OPERATION.size + len(condition)
    # Jumps in bytes: exactly to the end accepts, beyond it refuses.
    return attribute(INET_DIAG_REQ_BYTECODE, OPERATION.pack(INET_DIAG_BC_S_COND, length, length + 4) + condition)


def _request(family: int, identity: bytes = bytes(IDENTITY_BYTES)) -> bytes:
    return REQUEST.pack(family, socket.IPPROTO_TCP, 0, CONNECTED) + identity


class Connections:
    """Finds and resets TCP connections of this network namespace. Does nothing where the kernel cannot."""

    def __init__(self) -> None:
        """Raises KernelError where there is no netlink."""
        try:
            self._netlink = Netlink(NETLINK_SOCK_DIAG)
        except OSError as error:
            raise KernelError(f"no netlink socket for TCP connections to be had ({error.strerror})") from error

    def reset(self, address: IPAddress, may_go_on: Callable[[], bool]) -> int:
        """Reset every connection of this address, one after the other, as long as `may_go_on`; how many there were."""
        count = 0
        # An IPv6 socket that listens everywhere has IPv4 clients too.
        for family in (socket.AF_INET, socket.AF_INET6)[address.version == 6 :]:
            for found in self._find(family, address):
                if not may_go_on():
                    return count
                # ENOENT: it has ended by itself. EOPNOTSUPP: a kernel without CONFIG_INET_DIAG_DESTROY.
                with suppress(OSError):
                    self._netlink.ask(SOCK_DESTROY, 0, _request(family, found))
                    count += 1
        return count

    def why_not(self) -> str:
        """Why connections cannot be reset here; empty where they can. Asks for one that cannot exist."""
        try:
            self._netlink.ask(SOCK_DESTROY, 0, _request(socket.AF_INET))
        except FileNotFoundError:
            return ""
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def close(self) -> None:
        self._netlink.close()

    def _find(self, family: int, address: IPAddress) -> list[bytes]:
        """The identities of its connections; none where the kernel has no inet_diag."""
        try:
            answers = self._netlink.ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, _request(family) + _from(address))
        except OSError:
            return []
        return [bytes(answer.body[IDENTITY_AT : IDENTITY_AT + IDENTITY_BYTES]) for answer in answers]
