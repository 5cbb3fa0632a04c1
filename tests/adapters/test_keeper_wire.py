"""The keeper among its neighbours: what it tells them, what it hears of other machines, and what does not concern it."""

from __future__ import annotations

import functools
import ipaddress
import select
import socket

from picluster.adapters.clock import BootClock
from picluster.adapters.keeper import KernelAddressKeeper
from picluster.adapters.neighbours import Neighbours
from picluster.adapters.netlink import Netlink
from picluster.model.inventory import FloatingAddress
from picluster.ports import ForeignClaim, GatewayAnswered
from tests.adapters.isolation import isolated
from tests.adapters.scene import (
    BOTH,
    CLIENT,
    FLOATING,
    INTRUDER,
    MS,
    PI,
    Scene,
    arrived,
    host_route,
    neighbour_mac,
    points_to,
)
from tests.patience import PATIENCE_S, until


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
            until(functools.partial(points_to, scene, floating, PI), "the client believes the announcement")
            keeper.close()


@isolated
def test_a_standby_learns_where_the_address_went() -> None:
    with Scene() as scene, Netlink(0) as route:
        keeper = scene.keeper()
        voice = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        scene.client.links.add_address("eth0", host_route(FLOATING))

        def client_found() -> bool:
            voice.sendto(b"?", (str(FLOATING.address), 9))
            return neighbour_mac(route, FLOATING.address) == CLIENT

        until(client_found, "the standby knows the client as the holder")
        scene.client.links.remove_address("eth0", host_route(FLOATING))
        with scene.intruder.namespace.entered():
            scene.intruder.neighbours().announce("eth0", FLOATING.address)
        until(lambda: neighbour_mac(route, FLOATING.address) == INTRUDER, "the standby believes the announcement")
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
            until(lambda: keeper.observations() == [], "all has been told")


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


class AheadClock:
    """The true clock, and as much ahead of it as a test says."""

    def __init__(self) -> None:
        self.ahead_ns = 0
        self._true = BootClock()

    def now_ns(self) -> int:
        return self._true.now_ns() + self.ahead_ns


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
            until(functools.partial(told, keeper, floating, ahead), "the intruder is told of")
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
        scene.take(keeper, *BOTH)
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
