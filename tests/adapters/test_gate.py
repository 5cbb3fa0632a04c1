"""The two locks of the gate, each alone, and the one door that they guard."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from picluster.adapters.addresses import Addresses
from picluster.adapters.gate import Gate, Moment, tick_ns
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress
from tests.adapters.isolation import isolated, unprivileged
from tests.adapters.scene import FLOATING, FLOATING6, MS, SHORT_MS, Scene, tables
from tests.patience import until

YEAR_NS = 365 * 86_400 * 1_000 * MS


def configured(scene: Scene, floating: FloatingAddress) -> None:
    Addresses().refresh(floating, scene.clock.now_ns(), scene.lease(60_000))


def opened(gate: Gate, floating: FloatingAddress, end_ns: int, left_ns: int) -> None:
    """Open until the wall clock's end, or for so long."""
    gate.open(floating, Moment(end_ns - left_ns, 0), left_ns)


def check_lock(open_until: Callable[[Gate, FloatingAddress, int], None]) -> None:
    with Scene() as scene:
        gate = Gate()
        for floating in (FLOATING, FLOATING6):
            gate.cover(floating)
            configured(scene, floating)
            assert not scene.client.answered(floating.address)
            opened(gate, floating, time.time_ns() + YEAR_NS, YEAR_NS)
            assert scene.client.reaches(floating.address)
            end_ns = scene.lease(SHORT_MS)
            open_until(gate, floating, end_ns)
            assert scene.answered_late(floating, end_ns) == []
            opened(gate, floating, time.time_ns() + YEAR_NS, YEAR_NS)
            assert scene.client.reaches(floating.address)
            gate.shut(floating)
            assert not scene.client.answered(floating.address)


@isolated
def test_the_wall_clock_ends_it_though_the_timeout_was_started_much_too_late() -> None:
    def open_until(gate: Gate, floating: FloatingAddress, end_ns: int) -> None:
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        opened(gate, floating, time.time_ns() + end_ns - now_ns - MS, YEAR_NS)

    check_lock(open_until)


@isolated
def test_the_timeout_ends_it_though_the_wall_clock_was_set_back_by_a_year() -> None:
    def open_until(gate: Gate, floating: FloatingAddress, end_ns: int) -> None:
        opened(gate, floating, time.time_ns() + YEAR_NS, end_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    check_lock(open_until)


@isolated
def test_a_wall_clock_set_forward_shuts_it_until_the_next_renewal() -> None:
    with Scene() as scene:
        gate = Gate()
        configured(scene, FLOATING)
        opened(gate, FLOATING, time.time_ns() - YEAR_NS, YEAR_NS)
        assert not scene.client.answered(FLOATING.address)
        opened(gate, FLOATING, time.time_ns() + YEAR_NS, YEAR_NS)
        assert scene.client.reaches(FLOATING.address)


@isolated
def test_a_lease_of_a_few_ticks_keeps_three_quarters_of_itself() -> None:
    with Scene() as scene:
        gate = Gate(tick=10 * MS)
        configured(scene, FLOATING)
        end_ns = scene.lease(5_000)
        answered = 0
        # Leases of 32 ms, renewed in good time by a kernel that is taken to have a tick of 10 ms.
        while not answered:
            opened(gate, FLOATING, time.time_ns() + 32 * MS, 32 * MS)
            answered += scene.client.answered(FLOATING.address)
            assert scene.clock.now_ns() < end_ns


@isolated
def test_what_is_only_routed_through_this_machine_passes() -> None:
    """The Pi is asked to forward a packet for the floating address, which the intruder has and the Pi has not."""
    with Scene() as scene:
        Gate().cover(FLOATING)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        scene.intruder.links.add_address("eth0", f"{FLOATING.address}/32")
        with scene.intruder.namespace.entered():
            service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            service.bind((str(FLOATING.address), 7777))
            service.settimeout(0.05)
        with scene.client.namespace.entered():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            raw.bind(("eth0", 0x0800))
        udp = struct.pack("!HHHH", 7777, 7777, 8 + 5, 0) + b"hello"
        pi = bytes.fromhex(scene.pi.state("eth0").mac.replace(":", ""))
        client = bytes.fromhex("dca632000009")
        header = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([10, 77, 0, 9]), FLOATING.address.packed
        )
        total = sum(struct.unpack("!10H", header))
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        header = header[:10] + checksum.to_bytes(2, "big") + header[12:]

        def forwarded() -> bool:
            raw.send(pi + client + b"\x08\x00" + header + udp)
            try:
                return service.recv(100) == b"hello"
            except TimeoutError:
                return False

        until(forwarded, "the packet comes through")


@isolated
def test_closing_takes_the_tables_away() -> None:
    gate = Gate()
    gate.cover(FLOATING)
    assert [name for _, name in tables()] == ["picluster", "picluster"]
    gate.close()
    assert tables() == []


def test_the_tick_is_one_that_kernels_are_built_with() -> None:
    assert 1_000_000 <= tick_ns() <= 10_000_000


def test_without_the_capability_it_says_which_is_missing() -> None:
    def refusal() -> str:
        with pytest.raises(KernelError) as caught:
            Gate()
        return str(caught.value)

    assert "CAP_NET_ADMIN" in unprivileged(refusal)


@isolated
def test_a_refusal_that_no_rebuilding_mends_is_told() -> None:
    with pytest.raises(KernelError, match="nftables refuses"):
        # The name is longer than the kernel allows.
        Gate().cover(FloatingAddress("x" * 300, FLOATING.address, "eth0", ()))
