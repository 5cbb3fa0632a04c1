"""The keeper on a real kernel: who answers is judged by a client on the other end of a cable."""

from __future__ import annotations

import functools
import ipaddress
import itertools
import mmap
import os
import random
import select
import signal
import socket
import struct
import time

import pytest

from picluster.adapters.clock import BootClock
from picluster.adapters.gate import Gate
from picluster.adapters.keeper import KernelAddressKeeper
from picluster.adapters.links import IFA_F_NODAD, IFA_F_NOPREFIXROUTE
from picluster.adapters.neighbours import Neighbours
from picluster.adapters.netlink import Netlink
from picluster.adapters.nftables import NETLINK_NETFILTER, NFPROTO_INET, batch, new_table
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress
from picluster.ports import AddressRemoved, ForeignClaim, GatewayAnswered, LinkChanged
from tests.adapters.isolation import isolated
from tests.adapters.scene import (
    BOTH,
    CLIENT,
    FLOATING,
    FLOATING6,
    INTRUDER,
    MS,
    PATIENCE_S,
    PI,
    Scene,
    arrived,
    host_route,
    neighbour_mac,
    points_to,
    tables,
    until,
)


@isolated
def test_a_held_address_is_a_lonely_short_lived_one_and_is_answered_for_until_it_is_let_go() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert not scene.client.answered(floating.address)
            assert keeper.hold(floating, scene.lease(10_000))
            (found,) = [address for address in scene.pi.addresses() if str(address.interface) == host_route(floating)]
            assert found.flags & IFA_F_NOPREFIXROUTE
            assert found.flags & IFA_F_NODAD or floating.address.version == 4
            assert found.preferred_s == 0
            assert 10 <= found.valid_s <= 12
            assert scene.client.reaches(floating.address)
            keeper.let_go(floating)
            assert host_route(floating) not in scene.configured()
            assert not scene.client.answered(floating.address)
            keeper.let_go(floating)
        keeper.close()


@isolated
def test_the_kernel_stops_by_itself_when_the_lease_ends_although_the_address_is_still_there() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
            assert scene.client.reaches(floating.address)
            until_ns = scene.lease(150)
            assert keeper.hold(floating, until_ns)
            while scene.clock.now_ns() < until_ns + 60 * MS:
                scene.client.ping(floating.address)
                time.sleep(0.001)
            late = [n for n in scene.client.pongs(floating.address.version) if scene.client.sent_ns[n] >= until_ns]
            assert max(scene.client.sent_ns.values()) > until_ns
            assert late == []
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
        until_ns = scene.lease(5)
        assert keeper.hold(FLOATING, until_ns)
        scene.wait_until(until_ns)
        assert host_route(FLOATING) in scene.configured()
        with pytest.raises(PermissionError):
            service.sendto(b"not any more", ("10.77.0.9", 7777))
        request.sendto(b"too late", (str(FLOATING.address), 7777))
        assert keeper.hold(FLOATING, scene.lease(60_000))
        request.sendto(b"in time again", (str(FLOATING.address), 7777))
        assert service.recv(100) == b"in time again"
        until_ns = scene.lease(5)
        assert keeper.hold(FLOATING, until_ns)
        scene.wait_until(until_ns)
        with scene.client.namespace.entered():
            assert who_has() == set()


@isolated
def test_a_process_frozen_at_any_moment_of_its_renewals_never_outlives_its_lease() -> None:
    """A child renews as fast as it can, and writes down each lease's end before it asks for it. It is stopped and continued
    at random moments. Each answer must belong to a request that was sent before the last end that was written down."""
    with Scene() as scene:
        written = mmap.mmap(-1, 8)
        child = os.fork()
        if child == 0:
            keeper = scene.keeper()
            while True:
                until_ns = scene.lease(40)
                struct.pack_into("=Q", written, 0, until_ns)
                keeper.hold(FLOATING, until_ns)
        chance = random.Random(5)
        answered = 0
        for _ in range(12):
            assert scene.client.reaches(FLOATING.address)
            time.sleep(chance.random() * 0.004)
            os.kill(child, signal.SIGSTOP)
            stopped_ns = scene.clock.now_ns()
            while scene.clock.now_ns() < stopped_ns + 70 * MS:
                scene.client.ping(FLOATING.address)
                time.sleep(0.001)
                end_ns = struct.unpack_from("=Q", written, 0)[0]
                numbers = scene.client.pongs(4)
                answered += len(numbers)
                assert [n for n in numbers if scene.client.sent_ns[n] >= end_ns] == []
            os.kill(child, signal.SIGCONT)
        assert answered > 0
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class ScriptedClock:
    """Reads the true clock, and is asked `at` the how-manieth reading to be `later_ns` from then on."""

    def __init__(self, at: int, later_ns: int) -> None:
        self._readings = itertools.count(1)
        self._at, self._later_ns = at, later_ns
        self._true = BootClock()

    def now_ns(self) -> int:
        return self._true.now_ns() + (self._later_ns if next(self._readings) >= self._at else 0)


class AheadClock:
    """The true clock, and as much ahead of it as a test says."""

    def __init__(self) -> None:
        self.ahead_ns = 0
        self._true = BootClock()

    def now_ns(self) -> int:
        return self._true.now_ns() + self.ahead_ns


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


@isolated
def test_a_killed_predecessors_leftovers_are_cleaned_and_nothing_else() -> None:
    with Scene() as scene:
        with Netlink(NETLINK_NETFILTER) as netlink:
            netlink.commit(batch(new_table(NFPROTO_INET, "somebody-elses")))
        scene.pi.add_address("eth0", "10.77.0.50/32")
        others = scene.configured()
        child = os.fork()
        if child == 0:
            predecessor = scene.keeper()
            for floating in BOTH:
                predecessor.hold(floating, scene.lease(60_000))
            signal.pause()
        until(lambda: all(host_route(floating) in scene.configured() for floating in BOTH))
        assert scene.client.reaches(FLOATING.address)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert scene.client.reaches(FLOATING.address)
        successor = scene.keeper()
        assert sorted(scene.configured()) == sorted(others)
        assert not scene.client.answered(FLOATING.address)
        assert successor.hold(FLOATING, scene.lease(60_000))
        assert scene.client.reaches(FLOATING.address)
        successor.close()
        assert sorted(scene.configured()) == sorted(others)
        assert tables() == [(NFPROTO_INET, "somebody-elses")]


@isolated
def test_between_a_killed_predecessors_gate_and_its_successors_there_is_no_moment_without_one() -> None:
    """The killed one's address is still configured for a second or two."""
    with Scene() as scene:
        child = os.fork()
        if child == 0:
            scene.keeper().hold(FLOATING, scene.lease(500))
            signal.pause()
        until(lambda: host_route(FLOATING) in scene.configured())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        until(lambda: not scene.client.answered(FLOATING.address))
        assert host_route(FLOATING) in scene.configured()
        successor = KernelAddressKeeper(scene.clock)
        assert host_route(FLOATING) in scene.configured()
        assert not scene.client.answered(FLOATING.address)
        successor.clean_slate(BOTH)
        assert host_route(FLOATING) not in scene.configured()
        successor.close()
        assert tables() == []


@isolated
def test_an_ordinary_address_that_the_inventory_lets_float_is_left_alone_and_named() -> None:
    with Scene() as scene:
        scene.pi.add_address("eth0", f"{FLOATING.address}/24")
        keeper = KernelAddressKeeper(scene.clock)
        with pytest.raises(KernelError, match="ordinary address"):
            keeper.clean_slate([FLOATING])
        assert f"{FLOATING.address}/24" in scene.configured()
        assert not scene.client.answered(FLOATING.address)


@isolated
def test_an_address_that_somebody_removes_is_noticed_and_put_back() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
            scene.pi.remove_address("eth0", host_route(floating))
            assert arrived(keeper) == [AddressRemoved(floating.name)]
            assert keeper.hold(floating, scene.lease(60_000))
            assert scene.client.reaches(floating.address)
            keeper.let_go(floating)


@isolated
def test_own_removals_are_no_news() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
            keeper.let_go(floating)
            assert keeper.hold(floating, scene.lease(60_000))
        # What the kernel had to tell of these is in the queue before this.
        scene.switch.down("pi-eth0")
        assert arrived(keeper) == [LinkChanged("eth0", up=False)]


@isolated
def test_a_link_that_goes_and_comes_is_told_once_each() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        scene.switch.down("pi-eth0")
        assert arrived(keeper) == [LinkChanged("eth0", up=False)]
        assert keeper.hold(FLOATING, scene.lease(60_000))
        keeper.announce(FLOATING)
        scene.switch.up("pi-eth0")
        assert arrived(keeper) == [LinkChanged("eth0", up=True)]
        assert scene.client.reaches(FLOATING.address)


@isolated
def test_an_interface_that_is_replaced_by_another_of_its_name_carries_on() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        assert keeper.hold(FLOATING6, scene.lease(60_000))
        scene.pi.remove("eth0")
        assert LinkChanged("eth0", up=False) in arrived(keeper)
        keeper.let_go(FLOATING6)
        with pytest.raises(KernelError, match="no interface eth0"):
            keeper.hold(FLOATING, scene.lease(60_000))
        with pytest.raises(KernelError, match="no interface eth0"):
            keeper.probe(FLOATING)
        scene.plug_in_pi()
        assert arrived(keeper) == [LinkChanged("eth0", up=True)]
        assert keeper.hold(FLOATING, scene.lease(60_000))
        assert scene.client.reaches(FLOATING.address)
        keeper.announce(FLOATING)
        keeper.close()


@isolated
def test_an_interface_that_is_missing_at_the_start_may_come_later() -> None:
    with Scene() as scene:
        wireless = FloatingAddress("radio", ipaddress.ip_address("10.77.0.200"), "wlan0", ())
        keeper = KernelAddressKeeper(scene.clock)
        keeper.clean_slate([wireless])
        with pytest.raises(KernelError, match="no interface wlan0"):
            keeper.hold(wireless, scene.lease(60_000))
        scene.plug_in_pi("wlan0", "dc:a6:32:00:00:02", last=2)
        assert arrived(keeper) == [LinkChanged("wlan0", up=True)]
        assert keeper.hold(wireless, scene.lease(60_000))
        assert scene.client.reaches(wireless.address)


@isolated
def test_several_addresses_live_and_end_apart() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        assert keeper.hold(FLOATING6, scene.lease(60_000))
        keeper.let_go(FLOATING)
        assert not scene.client.answered(FLOATING.address)
        assert scene.client.reaches(FLOATING6.address)


@isolated
def test_a_changed_entry_of_the_inventory_takes_the_place_of_the_old_one() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        changed = FloatingAddress(FLOATING.name, ipaddress.ip_address("10.77.0.101"), "eth0", ())
        assert keeper.hold(changed, scene.lease(60_000))
        assert scene.client.reaches(changed.address)
        assert host_route(FLOATING) not in scene.configured()


@isolated
def test_a_neighbour_believes_the_announcement_at_once() -> None:
    with Scene() as scene:
        for floating in BOTH:
            scene.intruder.links.add_address("eth0", host_route(floating))
            assert scene.client.reaches(floating.address)
            assert scene.client.neighbour_mac(floating.address) == INTRUDER
            scene.intruder.links.remove_address("eth0", host_route(floating))
            keeper = scene.keeper()
            assert keeper.hold(floating, scene.lease(60_000))
            keeper.announce(floating)
            until(functools.partial(points_to, scene, floating, PI))
            keeper.close()


@isolated
def test_a_standby_learns_where_the_address_went() -> None:
    with Scene() as scene, Netlink(0) as route:
        keeper = scene.keeper()
        voice = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        scene.client.links.add_address("eth0", host_route(FLOATING))
        until(
            lambda: bool(voice.sendto(b"?", (str(FLOATING.address), 9)) and neighbour_mac(route, FLOATING.address) == CLIENT)
        )
        scene.client.links.remove_address("eth0", host_route(FLOATING))
        with scene.intruder.namespace.entered():
            scene.intruder.neighbours().announce("eth0", FLOATING.address)
        until(lambda: neighbour_mac(route, FLOATING.address) == INTRUDER)
        assert keeper.observations() == []


@isolated
def test_a_foreign_claim_is_told_and_own_words_are_not() -> None:
    with Scene() as scene:
        scene.plug_in_pi("wlan0", "dc:a6:32:00:00:02", last=2)
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
            keeper.announce(floating)
            Neighbours().announce("wlan0", floating.address)
            with scene.intruder.namespace.entered():
                scene.intruder.neighbours().announce("eth0", floating.address)
            assert set(arrived(keeper)) == {ForeignClaim(floating.name, INTRUDER)}
            keeper.let_go(floating)
            until(lambda: keeper.observations() == [])


@isolated
def test_a_probe_finds_who_has_the_address() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            scene.intruder.links.add_address("eth0", host_route(floating))
            # The kernel joins a new address's multicast group only some time after it has said that the address is there.
            assert scene.client.reaches(floating.address)
            keeper.probe(floating)
            assert arrived(keeper) == [ForeignClaim(floating.name, INTRUDER)]


def told(keeper: KernelAddressKeeper, floating: FloatingAddress, ahead: AheadClock) -> bool:
    """Whether the intruder is reported within a little while of the next look at the wire, ten seconds from now."""
    ahead.ahead_ns += 10_000 * MS
    assert keeper.hold(floating, ahead.now_ns() + 60_000 * MS)
    select.select(keeper.filenos(), [], [], 0.1)
    return ForeignClaim(floating.name, INTRUDER) in keeper.observations()


@isolated
def test_a_foreign_machine_that_only_ever_answers_is_found_while_holding() -> None:
    with Scene() as scene:
        for floating in BOTH:
            ahead = AheadClock()
            keeper = KernelAddressKeeper(ahead)
            assert keeper.hold(floating, ahead.now_ns() + 60_000 * MS)
            scene.intruder.links.add_address("eth0", host_route(floating))
            # The kernel joins a new address's multicast group only some time after it has said that the address is there.
            until(functools.partial(told, keeper, floating, ahead))
            scene.intruder.links.remove_address("eth0", host_route(floating))
            keeper.close()


@isolated
def test_the_gateway_answers_with_the_questions_number() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for number, gateway in ((7, "10.77.0.9"), (8, "fd77::9")):
            keeper.ask_gateway(ipaddress.ip_address(gateway), "eth0", number)
            assert arrived(keeper) == [GatewayAnswered(number)]
        keeper.ask_gateway(ipaddress.ip_address("10.77.0.66"), "eth0", 9)
        assert arrived(keeper) == [GatewayAnswered(9)]
        # What a gateway says to everybody is no answer, and one that is not there gives none.
        keeper.ask_gateway(ipaddress.ip_address("10.77.0.254"), "eth0", 10)
        with scene.intruder.namespace.entered():
            scene.intruder.neighbours().announce("eth0", ipaddress.ip_address("10.77.0.254"))
        select.select(keeper.filenos(), [], [], PATIENCE_S)
        assert keeper.observations() == []


@isolated
def test_an_idle_keeper_is_not_woken_by_what_does_not_concern_it() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
            assert scene.client.reaches(floating.address)
        keeper.observations()
        scene.pi.add_address("eth0", "10.77.0.50/32")
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(120_000))
        everything = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        everything.bind(("eth0", 3))
        with scene.intruder.namespace.entered():
            voice = scene.intruder.neighbours()
            voice.ask("eth0", FLOATING.address, ipaddress.ip_address("10.77.0.66"))
            voice.announce("eth0", ipaddress.ip_address("10.77.0.66"))
            voice.announce("eth0", ipaddress.ip_address("fd77::66"))
            voice.announce("eth0", ipaddress.ip_address("fd77::66"))
        everything.settimeout(PATIENCE_S)
        advertisements = 0
        # When the last frame has come in, those before it have gone by every listener on the interface.
        while advertisements < 2:
            frame = everything.recv(2_048)
            advertisements += (frame[6:12].hex(":"), frame[-6:].hex(":")) == (INTRUDER, INTRUDER)
        assert select.select(keeper.filenos(), [], [], 0)[0] == []


@isolated
def test_without_nftables_it_works_and_says_what_is_not_covered() -> None:
    def missing() -> Gate:
        raise KernelError("the kernel has no nftables")

    with Scene() as scene:
        keeper = KernelAddressKeeper(scene.clock, gate=missing)
        keeper.clean_slate([FLOATING])
        (sentence,) = keeper.not_covered()
        assert "the kernel has no nftables" in sentence
        assert keeper.hold(FLOATING, scene.lease(60_000))
        assert scene.client.reaches(FLOATING.address)
        keeper.let_go(FLOATING)
        assert not scene.client.answered(FLOATING.address)
        keeper.close()
