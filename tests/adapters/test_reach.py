"""Whether anybody answers: with real sockets of the loopback."""

from __future__ import annotations

import ipaddress
import socket

from picluster.adapters.reach import answers

HERE = ipaddress.IPv4Address("127.0.0.1")
ELSEWHERE = ipaddress.IPv4Address("224.0.0.1")
"""A group (RFC 1112): in nobody's subnet, and nobody can be connected with it."""


def test_who_accepts_is_there_and_so_is_who_refuses() -> None:
    with socket.create_server((str(HERE), 0)) as server:
        port = server.getsockname()[1]
        assert answers(HERE, port, 5.0) is True
    assert answers(HERE, port, 5.0) is True, "refused"


def test_silence_from_elsewhere_says_nothing() -> None:
    assert answers(ELSEWHERE, 22, 0.05) is None


def test_silence_in_an_own_subnet_says_that_nobody_is_there() -> None:
    with socket.create_server((str(HERE), 0), backlog=0) as full:
        port = full.getsockname()[1]
        # Two connections fill the queue of a server that accepts none (listen(2)); the kernel then drops what comes.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((str(HERE), port))
        try:
            assert answers(HERE, port, 0.2) is False
        finally:
            for one in waiting:
                one.close()
