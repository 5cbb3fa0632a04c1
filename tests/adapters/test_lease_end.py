"""The end of a lease, when nobody is there to end it: processes are frozen, and the kernel stops by itself.

It is the promise on which all else rests. What is judged is each answer that the client gets, by the moment at which its
question was sent.
"""

from __future__ import annotations

import ipaddress
import mmap
import os
import random
import select
import signal
import socket
import struct
import time

import pytest

from picluster.adapters.keeper import KernelAddressKeeper
from tests.adapters.isolation import isolated
from tests.adapters.scene import BOTH, FLOATING, INTRUDER, MS, PI, SHORT_MS, Scene, ScriptedClock, forked, host_route
from tests.patience import PATIENCE_S


@isolated
def test_the_kernel_stops_by_itself_when_the_lease_ends_although_the_address_is_still_there() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            scene.take(keeper, floating)
            until_ns = scene.lease(SHORT_MS)
            assert keeper.hold(floating, until_ns)
            assert scene.answered_late(floating, until_ns) == []
            assert host_route(floating) in scene.configured()
            assert keeper.hold(floating, scene.lease(10_000))
            assert scene.client.reaches(floating.address)


@isolated
def test_after_the_lease_no_interface_answers_arp_and_no_service_speaks() -> None:
    with Scene() as scene:
        scene.plug_in_pi("wlan0", "dc:a6:32:00:00:02", last=2)
        keeper = scene.keeper()
        with scene.client.namespace.entered():
            asking = scene.client.neighbours()
            asking.listen("eth0", [FLOATING.address])

            def who_has() -> set[str]:
                asking.heard()
                for _ in range(5):
                    asking.ask("eth0", FLOATING.address, ipaddress.ip_address("10.77.0.9"))
                    select.select(asking.filenos(), [], [], 0.02)
                return {speech.mac for speech in asking.heard()}

            assert who_has() == set()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        with scene.client.namespace.entered():
            assert PI in who_has()
            request = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        service.settimeout(PATIENCE_S)
        service.bind((str(FLOATING.address), 7777))
        service.sendto(b"while it is ours", ("10.77.0.9", 7777))
        request.sendto(b"in time", (str(FLOATING.address), 7777))
        assert service.recv(100) == b"in time"
        scene.let_lease_end(keeper, FLOATING)
        with pytest.raises(PermissionError):
            service.sendto(b"not any more", ("10.77.0.9", 7777))
        request.sendto(b"too late", (str(FLOATING.address), 7777))
        assert keeper.hold(FLOATING, scene.lease(60_000))
        request.sendto(b"in time again", (str(FLOATING.address), 7777))
        assert service.recv(100) == b"in time again"
        scene.let_lease_end(keeper, FLOATING)
        with scene.client.namespace.entered():
            assert who_has() == set()


@isolated
def test_a_process_frozen_at_any_moment_of_its_renewals_never_outlives_its_lease() -> None:
    """A process renews as fast as it can, and writes down each lease's end before it asks for it. At random moments it is
    stopped and continued. Each answer must belong to a request that was sent before the last end that was written down."""
    with Scene() as scene:
        written = mmap.mmap(-1, 8)

        def renew() -> None:
            keeper = scene.keeper()
            while True:
                until_ns = scene.lease(40)
                struct.pack_into("=Q", written, 0, until_ns)
                keeper.hold(FLOATING, until_ns)

        chance = random.Random(5)
        answered = 0
        with forked(renew) as child:
            for _ in range(12):
                assert scene.client.reaches(FLOATING.address)
                time.sleep(chance.random() * 0.004)  # any moment of a renewal is as good as any other
                os.kill(child, signal.SIGSTOP)
                for _ in scene.pings(FLOATING.address, scene.lease(70)):
                    numbers = scene.client.pongs(4)
                    answered += len(numbers)
                    end_ns = struct.unpack_from("=Q", written, 0)[0]
                    assert [number for number in numbers if scene.client.sent_ns[number] >= end_ns] == []
                os.kill(child, signal.SIGCONT)
        assert answered > 0


@isolated
def test_frozen_between_looking_at_the_clock_and_being_done_it_shuts_at_once_and_says_so() -> None:
    with Scene() as scene:
        keeper = KernelAddressKeeper(ScriptedClock(at=3, later_ns=5_000 * MS))
        assert not keeper.hold(FLOATING, scene.lease(3_000))
        assert host_route(FLOATING) not in scene.configured()
        assert not scene.client.answered(FLOATING.address)
        keeper.close()


@isolated
def test_a_lease_that_has_passed_is_not_taken_and_ends_what_is_held() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert not keeper.hold(FLOATING, scene.clock.now_ns())
        assert host_route(FLOATING) not in scene.configured()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        assert not keeper.hold(FLOATING, scene.clock.now_ns() - 1)
        assert host_route(FLOATING) not in scene.configured()
        assert not scene.client.answered(FLOATING.address)


@isolated
def test_announcing_ends_with_the_lease() -> None:
    with Scene() as scene:
        keeper = KernelAddressKeeper(ScriptedClock(at=4, later_ns=5_000 * MS))
        with scene.client.namespace.entered():
            ear = scene.client.neighbours()
            ear.listen("eth0", [FLOATING.address, ipaddress.ip_address("10.77.0.66")])
        assert keeper.hold(FLOATING, scene.lease(3_000))  # two readings, and a third for the listeners
        keeper.announce(FLOATING)
        with scene.intruder.namespace.entered():
            scene.intruder.neighbours().announce("eth0", ipaddress.ip_address("10.77.0.66"))
        select.select(ear.filenos(), [], [], PATIENCE_S)
        assert {speech.mac for speech in ear.heard()} == {INTRUDER}
