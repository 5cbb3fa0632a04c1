"""The prober, with real sockets: somebody accepts, somebody refuses, somebody is silent for a while."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from picluster.adapters.links import Links
from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.prober import INTERVAL_NS, TcpProber
from picluster.controller.outage import longest_outage, round_trip_ms
from picluster.model.probe import Probe
from tests.adapters.isolation import isolated
from tests.patience import until

HERE = ipaddress.IPv4Address("127.0.0.1")
FLOATING = ipaddress.IPv4Address("10.77.0.100")
ENOUGH = 20


def answered(probes: list[Probe]) -> list[Probe]:
    return [probe for probe in probes if probe.answered_ns is not None]


@contextmanager
def silent_port() -> Iterator[tuple[int, socket.socket]]:
    """Where the kernel drops what comes, since a queue is full (man 2 listen), until the server begins to accept."""
    with socket.create_server((str(HERE), 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            assert one.connect_ex((str(HERE), port)) in {0, errno.EINPROGRESS}
        try:
            yield port, server
        finally:
            for one in waiting:
                one.close()


def test_who_refuses_is_there_and_who_accepts_is_there_too() -> None:
    with socket.create_server((str(HERE), 0), backlog=128) as server:
        port = server.getsockname()[1]
        with TcpProber(HERE, port) as prober:
            until(lambda: len(answered(prober.probes(0))) > ENOUGH, "it is accepted")
            server.close()
            closed_ns = prober.now_ns()
            until(lambda: len(answered(prober.probes(closed_ns))) > ENOUGH, "it is refused")
            probes = prober.probes(0)
    assert [probe.sent_ns for probe in probes] == sorted(probe.sent_ns for probe in probes)
    assert all(probe.answered_ns >= probe.sent_ns for probe in answered(probes) if probe.answered_ns is not None)
    assert round_trip_ms(probes) is not None


def test_it_asks_no_more_often_than_it_was_told() -> None:
    with TcpProber(HERE, 9) as prober:
        until(lambda: len(prober.probes(0)) > 3 * ENOUGH, "it asks")
        probes = prober.probes(0)
    assert probes[-1].sent_ns - probes[0].sent_ns >= (len(probes) - 2) * INTERVAL_NS
    later = prober.probes(probes[ENOUGH].sent_ns)
    assert later[: len(probes) - ENOUGH][0].sent_ns == probes[ENOUGH].sent_ns
    assert prober.probes(prober.now_ns()) == [], "it has stopped"


def test_silence_is_no_answer_and_ends_when_somebody_accepts() -> None:
    with silent_port() as (port, server), TcpProber(HERE, port) as prober:
        until(lambda: len(prober.probes(0)) > ENOUGH, "it asks")
        assert answered(prober.probes(0)) == []
        server.settimeout(0)
        began_ns = prober.now_ns()

        def accept() -> None:
            try:
                server.accept()[0].close()
            except (BlockingIOError, ConnectionAbortedError):
                return

        until(lambda: len(answered(prober.probes(began_ns))) > ENOUGH, "somebody answers", meanwhile=accept)


@isolated
def test_an_address_that_is_taken_away_is_dark_until_it_is_back() -> None:
    """As a floating address is: the network is there, and nobody in it says that the address is his."""
    with NetworkNamespace.create() as node, Links() as here, Links(node) as there:
        here.add_veth("here0", "eth0", peer_namespace=node)
        for links, name, address in ((here, "here0", "10.77.0.1/24"), (there, "eth0", f"{FLOATING}/24")):
            links.add_address(name, address)
            links.up(name)
        with TcpProber(FLOATING) as prober:
            until(lambda: len(answered(prober.probes(0))) > ENOUGH, "it refuses, so it is there")
            cut_ns = prober.now_ns()
            there.remove_address("eth0", f"{FLOATING}/24")
            until(lambda: len(prober.probes(cut_ns)) > 2 * ENOUGH, "it is asked")
            back_ns = prober.now_ns()
            there.add_address("eth0", f"{FLOATING}/24")
            until(lambda: len(answered(prober.probes(back_ns))) > ENOUGH, "it is back")
            outage = longest_outage(prober.probes(0), cut_ns)
        assert outage is not None
        assert outage.last_answer_ns <= cut_ns + 100_000_000
        assert outage.ended_ns is not None
        assert outage.ended_ns >= back_ns
        assert outage.unanswered > 0
