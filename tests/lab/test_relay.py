"""The relay between the Pis of the portable world, as its own process, with the agents' own sockets on either side."""

from __future__ import annotations

import random
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.adapters.switched import SwitchedDatagrams
from picluster.errors import KernelError
from picluster.lab.loopback import HOST, free_ports
from picluster.lab.programs import kill, started
from picluster.lab.relay import Rules
from picluster.model.endpoint import Endpoint
from picluster.wire import LONGEST_DATAGRAM

LONGEST = b"x" * LONGEST_DATAGRAM


@dataclass
class Bench:
    """Three Pis and an onlooker at one relay."""

    relay: subprocess.Popen[bytes]
    switch: int
    pis: list[SwitchedDatagrams]
    onlooker: SwitchedDatagrams

    def order(self, words: str) -> None:
        assert self.relay.stdin is not None
        assert self.relay.stdout is not None
        self.relay.stdin.write(words.encode() + b"\n")
        assert self.relay.stdout.readline() == b"done\n"


def endpoint(datagrams: SwitchedDatagrams) -> Endpoint:
    return Endpoint(HOST, datagrams.port)


def heard(own: SwitchedDatagrams, last: bytes, most_s: float = 5.0) -> list[tuple[Endpoint, bytes]]:
    """Everything up to that datagram. The relay keeps the order, so whatever is missing by then was dropped."""
    arrived: list[tuple[Endpoint, bytes]] = []
    deadline = time.monotonic() + most_s
    while not any(data == last for _, data in arrived):
        assert time.monotonic() < deadline, f"it never arrived, but {arrived}"
        select.select(own.filenos(), [], [], 0.1)
        arrived += own.receive()
    return arrived


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    switch, *ports = free_ports(4)
    relay = started("picluster.lab.relay", map(str, (switch, *ports)), tmp_path / "relay.log", writing=True)
    ends = [SwitchedDatagrams(port, switch) for port in (*ports, 0)]
    yield Bench(relay, switch, ends[:3], ends[3])
    for end in ends:
        end.close()
    kill([relay])


def test_what_one_sends_the_other_hears_with_the_senders_own_port(bench: Bench) -> None:
    one, other, _ = bench.pis
    for data in (b"", b"hello", LONGEST):
        one.send(endpoint(other), data)
    assert heard(other, LONGEST) == [(endpoint(one), b""), (endpoint(one), b"hello"), (endpoint(one), LONGEST)]
    other.send(endpoint(one), b"hello yourself")
    assert heard(one, b"hello yourself") == [(endpoint(other), b"hello yourself")]


def test_a_partition_stops_both_directions_until_it_is_healed_and_spares_the_onlooker(bench: Bench) -> None:
    alone, near, far = bench.pis
    bench.order(f"part {alone.port}")
    for sender, receiver in ((alone, near), (near, alone), (near, far)):
        sender.send(endpoint(receiver), b"through the cut?")
    for pi in bench.pis:
        bench.onlooker.send(endpoint(pi), b"looking on")
        pi.send(endpoint(bench.onlooker), b"last" if pi is far else b"seen")
    last = (endpoint(bench.onlooker), b"looking on")
    assert heard(alone, b"looking on") == [last]
    assert heard(near, b"looking on") == [last]
    assert heard(far, b"looking on") == [(endpoint(near), b"through the cut?"), last]
    assert [data for _, data in heard(bench.onlooker, b"last")] == [b"seen", b"seen", b"last"]
    bench.order("part")
    alone.send(endpoint(near), b"healed")
    assert heard(near, b"healed") == [(endpoint(alone), b"healed")]


def test_all_that_pis_tell_each_other_can_be_lost(bench: Bench) -> None:
    one, other, _ = bench.pis
    bench.order("lose 100")
    one.send(endpoint(other), b"lost")
    bench.onlooker.send(endpoint(other), b"kept")
    assert heard(other, b"kept") == [(endpoint(bench.onlooker), b"kept")]
    bench.order("lose 0")
    one.send(endpoint(other), b"kept again")
    assert heard(other, b"kept again") == [(endpoint(one), b"kept again")]


def test_frames_that_are_none_and_receivers_that_are_gone_harm_nobody(bench: Bench) -> None:
    one, other, gone = bench.pis
    nobody = endpoint(gone)
    gone.close()
    for _ in range(3):
        one.send(nobody, b"nobody is there")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"x", (HOST, bench.switch))
        stranger.sendto(b"no frame of the switch", (HOST, other.port))
    one.send(endpoint(other), b"still there")
    assert heard(other, b"still there") == [(endpoint(one), b"still there")]


def test_the_relay_ends_with_its_input(bench: Bench) -> None:
    assert bench.relay.stdin is not None
    bench.relay.stdin.close()
    assert bench.relay.wait(timeout=10) == 0
    bench.pis[0].send(endpoint(bench.pis[1]), b"into the void")
    assert bench.pis[1].receive() == []


def test_a_taken_port_is_said(bench: Bench) -> None:
    with pytest.raises(KernelError, match="Give the node another port"):
        SwitchedDatagrams(bench.pis[0].port, 1)


def test_a_loss_takes_about_its_share_and_only_between_pis() -> None:
    rules, chance = Rules({1, 2}), random.Random(7)
    rules.obey("lose 20")
    passed = sum(rules.passes(1, 2, chance) for _ in range(10_000))
    assert 7_800 < passed < 8_200
    assert all(rules.passes(1, 9, chance) and rules.passes(9, 1, chance) for _ in range(1_000))
