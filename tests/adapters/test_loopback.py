"""Floating addresses as ports on loopback, with real sockets."""

from __future__ import annotations

import ipaddress
import os
import select
import signal
import socket
from collections.abc import Iterator

import pytest

from picluster.adapters.clock import BootClock
from picluster.adapters.loopback import LoopbackAddressKeeper
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress
from picluster.ports import GatewayAnswered

FLOATING = FloatingAddress("web", ipaddress.ip_address("10.77.0.100"), "eth0", ())
LONG_NS = 60_000_000_000
REQUEST = bytes(range(8))


class SetClock:
    def __init__(self) -> None:
        self.time_ns = 1_000

    def now_ns(self) -> int:
        return self.time_ns


@pytest.fixture
def port() -> int:
    """One that is free now; between here and its use another process could take it, and does not in practice."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def client(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        asking.settimeout(10)
        yield asking


def test_the_holder_answers_with_the_number_and_its_name(port: int, client: socket.socket) -> None:
    clock = SetClock()
    keeper = LoopbackAddressKeeper("pi1", {"web": port}, clock)
    assert keeper.hold(FLOATING, clock.time_ns + 10)
    client.send(b"nonsense that is longer")
    client.send(REQUEST)
    select.select(keeper.filenos(), [], [], 10)
    assert keeper.observations() == []
    assert client.recv(100) == REQUEST + b"pi1"
    keeper.close()
    assert keeper.filenos() == ()


def test_what_waits_when_the_lease_has_ended_is_not_answered_and_the_port_is_free(port: int, client: socket.socket) -> None:
    clock = SetClock()
    keeper = LoopbackAddressKeeper("pi1", {"web": port}, clock)
    successor = LoopbackAddressKeeper("pi2", {"web": port}, clock)
    assert keeper.hold(FLOATING, clock.time_ns + 10)
    client.send(REQUEST)
    clock.time_ns += 10
    select.select(keeper.filenos(), [], [], 10)
    keeper.observations()
    assert keeper.filenos() == ()
    assert successor.hold(FLOATING, clock.time_ns + 10)
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(100)
    successor.close()


def test_a_renewal_extends_and_a_lease_that_has_passed_ends_it(port: int) -> None:
    clock = SetClock()
    keeper = LoopbackAddressKeeper("pi1", {"web": port}, clock)
    assert not keeper.hold(FLOATING, clock.time_ns)
    assert keeper.filenos() == ()
    assert keeper.hold(FLOATING, clock.time_ns + 10)
    clock.time_ns += 9
    assert keeper.hold(FLOATING, clock.time_ns + 10)
    clock.time_ns += 9
    keeper.observations()
    assert len(keeper.filenos()) == 1
    assert not keeper.hold(FLOATING, clock.time_ns)
    assert keeper.filenos() == ()


def test_two_cannot_hold_and_a_frozen_holder_keeps_the_port_until_it_dies(port: int) -> None:
    clock = BootClock()
    keeper = LoopbackAddressKeeper("pi2", {"web": port}, clock)
    (sentence,) = keeper.not_covered()
    assert "frozen" in sentence
    reading, writing = os.pipe()
    holder = os.fork()
    if holder == 0:
        frozen = LoopbackAddressKeeper("pi1", {"web": port}, clock)
        frozen.hold(FLOATING, clock.now_ns() + LONG_NS)
        os.write(writing, b"held")
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    assert os.read(reading, 4) == b"held"
    with pytest.raises(KernelError, match="still bound"):
        keeper.hold(FLOATING, clock.now_ns() + LONG_NS)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert keeper.hold(FLOATING, clock.now_ns() + LONG_NS)
    keeper.let_go(FLOATING)
    keeper.let_go(FLOATING)
    os.close(reading)
    os.close(writing)


def test_an_address_without_a_port_is_a_mistake_of_the_configuration() -> None:
    keeper = LoopbackAddressKeeper("pi1", {}, SetClock())
    with pytest.raises(KernelError, match="no loopback port is configured for web"):
        keeper.hold(FLOATING, LONG_NS)


def test_the_gateway_is_this_machine_and_answers(port: int) -> None:
    keeper = LoopbackAddressKeeper("pi1", {"web": port}, SetClock())
    keeper.clean_slate([FLOATING])
    keeper.probe(FLOATING)
    keeper.announce(FLOATING)
    keeper.ask_gateway(ipaddress.ip_address("10.77.0.1"), "eth0", 7)
    assert keeper.observations() == [GatewayAnswered(7)]
    assert keeper.observations() == []
