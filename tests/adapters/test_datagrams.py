"""Real sockets on loopback; link-local addresses on the loopback interface of a network namespace of its own."""

from __future__ import annotations

import os
import re
import select
import selectors
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from picluster.adapters.datagrams import MOST_AT_ONCE, UdpDatagrams
from picluster.adapters.links import Links
from picluster.errors import KernelError
from picluster.model.endpoint import Endpoint
from picluster.ports import Datagrams
from picluster.wire import LONGEST_DATAGRAM
from tests.adapters.isolation import isolated
from tests.patience import PATIENCE_S, until

V4, V6 = "127.0.0.1", "::1"
Open = Callable[..., UdpDatagrams]


@pytest.fixture
def open_datagrams() -> Iterator[Open]:
    opened: list[UdpDatagrams] = []

    def opening(port: int = 0, hosts: tuple[str, ...] = (V4,)) -> UdpDatagrams:
        opened.append(UdpDatagrams(port, hosts))
        return opened[-1]

    yield opening
    for datagrams in opened:
        datagrams.close()


def receive(datagrams: Datagrams, count: int) -> list[tuple[Endpoint, bytes]]:
    """As the agent's loop does it: wait for the file descriptors, then take what is there."""
    arrived: list[tuple[Endpoint, bytes]] = []
    deadline = time.monotonic() + 5
    with selectors.DefaultSelector() as selector:
        for fileno in datagrams.filenos():
            selector.register(fileno, selectors.EVENT_READ)
        while len(arrived) < count and time.monotonic() < deadline:
            selector.select(timeout=deadline - time.monotonic())
            arrived += datagrams.receive()
    return arrived


def needs_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((V6, 0))
    except OSError as error:
        pytest.skip(f"needs IPv6 on the loopback interface: {error}")


def test_datagrams_go_there_and_back_in_order(open_datagrams: Open) -> None:
    here, there = open_datagrams(), open_datagrams()
    for number in range(10):
        here.send(Endpoint(V4, there.port), b"%d" % number)
    arrived = receive(there, 10)
    assert arrived == [(Endpoint(V4, here.port), b"%d" % number) for number in range(10)]
    there.send(arrived[0][0], b"back")
    assert receive(here, 1) == [(Endpoint(V4, there.port), b"back")]


def test_nothing_there_is_an_empty_list_at_once(open_datagrams: Open) -> None:
    here = open_datagrams()
    assert not any(os.get_blocking(fileno) for fileno in here.filenos())
    assert here.receive() == []


def test_both_families_share_one_port(open_datagrams: Open) -> None:
    needs_ipv6()
    everywhere, here = open_datagrams(hosts=()), open_datagrams(hosts=(V4, V6))
    assert len(everywhere.filenos()) == len(here.filenos()) == 2
    for host in (V4, V6):
        here.send(Endpoint(host, everywhere.port), host.encode())
        ((source, data),) = receive(everywhere, 1)
        assert (source, data) == (Endpoint(host, here.port), host.encode())
        everywhere.send(source, b"back")
        assert receive(here, 1) == [(Endpoint(host, everywhere.port), b"back")]


def test_the_source_is_the_own_address_most_like_the_receivers(open_datagrams: Open) -> None:
    here = open_datagrams(hosts=("127.1.0.1", "127.2.0.1"))
    for host in ("127.1.0.9", "127.2.0.9"):
        there = open_datagrams(hosts=(host,))
        here.send(Endpoint(host, there.port), b"who")
        assert receive(there, 1) == [(Endpoint(f"{host[:-1]}1", here.port), b"who")]


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("192.0.2.1", None),  # from a socket on 127.0.0.1 there is no way to it
        ("::1", None),  # no socket of this family
        ("fe80::1%nosuch0", None),
        ("fe80::1%", None),
        ("localhost", None),  # names are never looked up
        ("", None),
        (V4, 0),
    ],
)
def test_what_cannot_be_sent_is_lost_and_disturbs_nothing(open_datagrams: Open, host: str, port: int | None) -> None:
    here, there = open_datagrams(), open_datagrams()
    here.send(Endpoint(host, there.port if port is None else port), b"lost")
    here.send(Endpoint(V4, there.port), b"found")
    assert receive(there, 1) == [(Endpoint(V4, here.port), b"found")]


def test_a_peer_that_is_gone_disturbs_nobody(open_datagrams: Open) -> None:
    here, gone, there = open_datagrams(), open_datagrams(), open_datagrams()
    gone.close()
    for _ in range(3):  # each brings an ICMP "port unreachable" back
        here.send(Endpoint(V4, gone.port), b"anybody?")
    there.send(Endpoint(V4, here.port), b"me")
    assert receive(here, 1) == [(Endpoint(V4, there.port), b"me")]


def test_a_flood_neither_blocks_nor_is_handed_out_at_once(open_datagrams: Open) -> None:
    here, there = open_datagrams(), open_datagrams()
    for number in range(5_000):  # far more than any buffer holds; returning at all is the point
        here.send(Endpoint(V4, there.port), b"%d" % number)
    first = receive(there, 1)
    assert 50 < len(first) <= MOST_AT_ONCE
    assert [data for _, data in first] == [b"%d" % number for number in range(len(first))]
    while there.receive():
        pass
    here.send(Endpoint(V4, there.port), b"still there")
    assert receive(there, 1)[0][1] == b"still there"


def test_a_datagram_that_is_too_long_arrives_as_too_long(open_datagrams: Open) -> None:
    here, there = open_datagrams(), open_datagrams()
    for length in (0, LONGEST_DATAGRAM, LONGEST_DATAGRAM + 1, 9_000):
        here.send(Endpoint(V4, there.port), bytes(length))
    assert [len(data) for _, data in receive(there, 4)] == [0, LONGEST_DATAGRAM, LONGEST_DATAGRAM + 1, LONGEST_DATAGRAM + 1]


def test_datagrams_ask_for_precedence(open_datagrams: Open) -> None:
    needs_ipv6()
    for fileno in open_datagrams(hosts=(V4, V6)).filenos():
        with socket.socket(fileno=socket.dup(fileno)) as own:
            v6 = own.family == socket.AF_INET6
            level, option = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if v6 else (socket.IPPROTO_IP, socket.IP_TOS)
            assert own.getsockopt(level, option) == 0xC0
            assert own.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == 6


def test_a_port_that_is_taken_is_named(open_datagrams: Open) -> None:
    taken = open_datagrams()
    with pytest.raises(KernelError, match=rf"cannot listen on 127\.0\.0\.1:{taken.port}: .*Another agent"):
        open_datagrams(port=taken.port)


@pytest.mark.parametrize(("host", "mend"), [("192.0.2.1", "No interface has"), ("pi1.local", "not names")])
def test_a_host_that_is_not_ours_is_named(open_datagrams: Open, host: str, mend: str) -> None:
    with pytest.raises(KernelError, match=rf"cannot listen on {re.escape(host)}:\d+: .*{mend}"):
        open_datagrams(hosts=(V4, host))


def test_after_closing_the_port_is_free_and_sending_is_harmless(open_datagrams: Open) -> None:
    here = open_datagrams()
    here.close()
    here.close()
    here.send(Endpoint(V4, 7654), b"too late")
    assert (here.filenos(), here.receive()) == ((), [])
    assert open_datagrams(port=here.port).port == here.port


@isolated
def test_link_local_endpoints_carry_their_zone() -> None:
    with Links() as links:
        links.up("lo")
        links.add_address("lo", "fe80::1/64")
    here = UdpDatagrams(hosts=("fe80::1%lo",))
    everywhere = UdpDatagrams()
    heard: set[tuple[Endpoint, bytes]] = set()

    def pinged() -> bool:
        # The kernel lets an address be used some time before it lays the route to it, and drops what comes before that.
        here.send(Endpoint("fe80::1%lo", everywhere.port), b"ping")
        select.select(everywhere.filenos(), [], [], 0.1)
        heard.update(everywhere.receive())
        return bool(heard)

    until(pinged, "a datagram comes")
    ((source, data),) = heard
    assert (source, data) == (Endpoint("fe80::1%lo", here.port), b"ping")
    everywhere.send(source, b"pong")
    select.select(here.filenos(), [], [], PATIENCE_S)
    assert here.receive() == [(Endpoint("fe80::1%lo", everywhere.port), b"pong")]
