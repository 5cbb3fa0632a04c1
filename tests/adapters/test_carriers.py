"""Interfaces of every kind that may carry a floating address, and what happens to them while they do."""

from __future__ import annotations

import errno
import functools
import ipaddress

import pytest

from picluster.adapters.keeper import KernelAddressKeeper
from picluster.adapters.links import Links
from picluster.adapters.namespaces import run_isolated, why_not
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress
from picluster.ports import AddressRemoved, ForeignClaim, LinkChanged, Observation
from tests.adapters.isolation import isolated
from tests.adapters.scene import BOTH, FLOATING, FLOATING6, INTRUDER, PI, Scene, arrived, host_route, points_to
from tests.patience import until

OTHER = "dc:a6:32:00:00:0a"


def on(interface: str) -> tuple[FloatingAddress, ...]:
    return tuple(FloatingAddress(one.name, one.address, interface, one.candidates) for one in BOTH)


def check_carrier(scene: Scene, interface: str) -> None:
    """Take, announce, hear a foreign machine, notice the link, end with the lease, let go; in both families."""
    keeper = KernelAddressKeeper(scene.clock)
    keeper.clean_slate(on(interface))
    mac = scene.pi.state(interface).mac
    for floating in on(interface):
        assert not scene.client.answered(floating.address)
        scene.take(keeper, floating)
        keeper.announce(floating)
        until(functools.partial(points_to, scene, floating, mac), "the client believes the announcement")
        with scene.intruder.namespace.entered():
            scene.intruder.neighbours().announce("eth0", floating.address)
        assert set(arrived(keeper)) == {ForeignClaim(floating.name, INTRUDER)}
        scene.let_lease_end(keeper, floating)
        assert not scene.client.answered(floating.address)
        keeper.let_go(floating)
    scene.switch.down("pi-eth0")
    assert arrived(keeper) == [LinkChanged(interface, up=False)]
    keeper.close()


@isolated
def test_a_bridge_carries_an_address() -> None:
    with Scene() as scene:
        scene.pi.add_bridge("br0")
        scene.pi.remove_address("eth0", "10.77.0.1/24")
        scene.pi.remove_address("eth0", "fd77::1/64")
        scene.pi.attach("eth0", "br0")
        scene.pi.add_address("br0", "10.77.0.1/24")
        scene.pi.add_address("br0", "fd77::1/64")
        check_carrier(scene, "br0")


@functools.cache
def without_vlans() -> bool:
    def trial() -> int:
        with Links() as links:
            links.add_veth("one", "other")
            try:
                links.add_vlan("one.7", "one", 7)
            except OSError as error:
                return int(error.errno == errno.EOPNOTSUPP)
        return 0

    return not why_not() and run_isolated(trial) == 1


@pytest.mark.skipif(without_vlans(), reason="this kernel has no VLANs (CONFIG_VLAN_8021Q)")
@isolated
def test_a_vlan_carries_an_address() -> None:
    with Scene() as scene:
        for links, last in ((scene.pi, 1), (scene.client.links, 9), (scene.intruder.links, 66)):
            links.add_vlan("eth0.7", "eth0", 7)
            for address in (f"10.77.0.{last}/24", f"fd77::{last}/64"):
                links.remove_address("eth0", address)
                links.add_address("eth0.7", address)
            links.up("eth0.7")
        check_carrier(scene, "eth0.7")


@isolated
def test_a_bridges_word_about_its_port_is_no_word_about_the_interface() -> None:
    """The kernel tells of a port that comes or goes in messages of the same kinds as of interfaces."""
    with Scene() as scene:
        keeper = scene.keeper()
        scene.pi.add_bridge("br0")
        scene.pi.attach("eth0", "br0")
        scene.pi.detach("eth0")
        scene.switch.down("pi-eth0")
        assert arrived(keeper) == [LinkChanged("eth0", up=False)]


@isolated
def test_an_interface_that_goes_down_and_up_answers_again_with_the_next_renewal() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        scene.take(keeper, *BOTH)
        scene.pi.down("eth0")
        until(lambda: LinkChanged("eth0", up=False) in keeper.observations(), "the link is told to be down")
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
        scene.pi.add_address("eth0", "fd77::1/64")  # the kernel took it away with the link, and not the IPv4 one
        scene.pi.up("eth0")
        until(lambda: LinkChanged("eth0", up=True) in keeper.observations(), "the link is told to be up")
        scene.take(keeper, *BOTH)
        keeper.close()


@isolated
def test_an_interface_under_another_name_is_not_the_one_that_the_inventory_means() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
        scene.pi.down("eth0")
        scene.pi.rename("eth0", "lan0")
        scene.pi.up("lan0")
        until(lambda: LinkChanged("eth0", up=False) in keeper.observations(), "the link is told to be down")
        for floating in BOTH:
            # The next look at the interface, which is about every other second, finds no such name, and lets go.
            with pytest.raises(KernelError, match="no interface eth0"):
                keeper.hold(floating, scene.lease(120_000))
            assert host_route(floating) not in scene.configured()
            assert not scene.client.answered(floating.address)
        scene.pi.down("lan0")
        scene.pi.rename("lan0", "eth0")
        scene.pi.add_address("eth0", "fd77::1/64")  # the kernel took it away with the link, and not the IPv4 one
        scene.pi.up("eth0")
        assert LinkChanged("eth0", up=True) in arrived(keeper)
        scene.take(keeper, *BOTH)


@isolated
def test_an_interface_that_is_replaced_while_nobody_looks_answers_again_with_the_next_renewal() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
        scene.pi.remove("eth0")
        scene.plug_in_pi(mac=OTHER)
        seen: set[Observation] = set()
        while not seen >= {AddressRemoved(one.name) for one in BOTH}:
            seen.update(arrived(keeper))
        assert LinkChanged("eth0", up=False) in seen
        for floating in BOTH:
            scene.take(keeper, floating)
            keeper.announce(floating)
            until(functools.partial(points_to, scene, floating, OTHER), "the client believes the announcement")
        keeper.close()


@isolated
def test_a_new_hardware_address_is_announced_as_it_is() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        scene.take(keeper, FLOATING)
        until(lambda: points_to(scene, FLOATING, PI), "the client knows the holder")
        scene.pi.set_mac("eth0", OTHER)
        keeper.announce(FLOATING)
        until(lambda: points_to(scene, FLOATING, OTHER), "the client believes the announcement")


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
        scene.take(keeper, FLOATING)
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
        scene.take(keeper, wireless)
