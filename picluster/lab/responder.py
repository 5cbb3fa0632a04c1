"""The service behind the floating address: a program that answers every datagram with its node's name.

    python -m picluster.lab.responder pi1 7777 10.77.0.100

A request is eight bytes, the number that the client gave it; the answer is the same eight bytes and the name. It binds the
floating address whether or not this node has it now (IP_FREEBIND, man 7 ip), as proxies on such addresses do. So it never
has to know who holds what: the kernel brings it requests, or does not.
"""

from __future__ import annotations

import selectors
import socket
import sys
from collections.abc import Sequence

__all__ = ["main"]

IP_FREEBIND, IPV6_FREEBIND = 15, 78
"""linux/in.h and in6.h; Python's socket module does not name them."""
REQUEST_BYTES = 8


def listen(address: str, port: int) -> socket.socket:
    ipv6 = ":" in address
    own = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    own.setsockopt(*((socket.IPPROTO_IPV6, IPV6_FREEBIND) if ipv6 else (socket.IPPROTO_IP, IP_FREEBIND)), 1)
    own.setblocking(False)
    own.bind((address, port))
    return own


def answer(own: socket.socket, name: bytes) -> None:
    """Everything that waits. A refused send is a lost answer: the address has just left."""
    while True:
        try:
            request, client = own.recvfrom(64)
            own.sendto(request[:REQUEST_BYTES] + name, client)
        except BlockingIOError:
            return
        except OSError:
            continue


def main(arguments: Sequence[str]) -> None:
    name, port, *addresses = arguments
    with selectors.DefaultSelector() as selector:
        for address in addresses:
            selector.register(listen(address, int(port)), selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                answer(key.fileobj, name.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
