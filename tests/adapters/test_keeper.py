"""The keeper on a real kernel, in ordinary times; who answers is judged by a client on the other end of a cable."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from picluster.adapters.addresses import GATED_SPARE_S
from picluster.adapters.clock import BootClock
from picluster.adapters.gate import Gate
from picluster.adapters.keeper import KernelAddressKeeper
from picluster.adapters.links import IFA_F_NODAD, IFA_F_NOPREFIXROUTE
from picluster.errors import KernelError
from picluster.model.inventory import FloatingAddress
from picluster.ports import AddressRemoved, LinkChanged
from tests.adapters.isolation import isolated, unprivileged
from tests.adapters.scene import BOTH, FLOATING, FLOATING6, MS, Scene, arrived, host_route, tables
from tests.patience import until


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
            assert 10 < found.valid_s <= 10 + GATED_SPARE_S
            assert scene.client.reaches(floating.address)
            keeper.let_go(floating)
            assert host_route(floating) not in scene.configured()
            assert not scene.client.answered(floating.address)
            keeper.let_go(floating)
        keeper.close()


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
        scene.take(keeper, changed)
        assert host_route(FLOATING) not in scene.configured()


@isolated
def test_an_address_that_somebody_removes_is_noticed_and_put_back() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
            scene.pi.remove_address("eth0", host_route(floating))
            assert arrived(keeper) == [AddressRemoved(floating.name)]
            scene.take(keeper, floating)
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
def test_without_nftables_it_works_and_says_what_is_not_covered() -> None:
    def missing() -> Gate:
        raise KernelError("the kernel has no nftables")

    with Scene() as scene:
        keeper = KernelAddressKeeper(scene.clock, gate=missing)
        keeper.clean_slate([FLOATING])
        (sentence,) = keeper.not_covered()
        assert "the kernel has no nftables" in sentence
        scene.take(keeper, FLOATING)
        keeper.let_go(FLOATING)
        assert not scene.client.answered(FLOATING.address)
        keeper.close()


def test_who_has_no_rights_can_hold_nothing_and_says_which_are_missing() -> None:
    assert "without CAP_NET_ADMIN and CAP_NET_RAW" in unprivileged(lambda: KernelAddressKeeper(BootClock()).incapable())


@isolated
def test_who_has_them_can() -> None:
    assert not KernelAddressKeeper(BootClock()).incapable()


class StuckGate(Gate):
    """Does not shut for one of the addresses."""

    def shut(self, floating: FloatingAddress) -> None:
        if floating == FLOATING:
            raise KernelError("the gate is stuck")
        super().shut(floating)


@isolated
def test_one_address_that_cannot_be_let_go_of_keeps_no_other_at_the_end_and_is_told() -> None:
    with Scene() as scene:
        keeper = KernelAddressKeeper(scene.clock, gate=StuckGate)
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
        with pytest.raises(KernelError, match="the gate is stuck"):
            keeper.close()
        assert not {host_route(floating) for floating in BOTH} & set(scene.configured())
        assert tables() != []


OWN = {FLOATING.name: "10.77.0.1/24", FLOATING6.name: "fd77::1/64"}
"""The Pi's own addresses, by the address that floats beside each."""


class StandingClock:
    """It stands still until it is set forward."""

    def __init__(self) -> None:
        self._now_ns = BootClock().now_ns()

    def now_ns(self) -> int:
        return self._now_ns

    def forward(self, milliseconds: int) -> int:
        self._now_ns += milliseconds * MS
        return self._now_ns


@contextmanager
def keeper_by(scene: Scene, clock: StandingClock) -> Iterator[KernelAddressKeeper]:
    scene.keeper().close()
    keeper = KernelAddressKeeper(clock)
    keeper.clean_slate(BOTH)
    yield keeper
    keeper.close()


def goes_too(scene: Scene, keeper: KernelAddressKeeper, floating: FloatingAddress) -> None:
    """The Pi loses its own address, and soon the one that floats beside it; nothing is said of that."""

    def gone() -> bool:
        assert keeper.observations() == []
        return host_route(floating) not in scene.configured()

    scene.pi.remove_address("eth0", OWN[floating.name])
    until(gone, f"{floating.address} goes as well")


@isolated
def test_an_address_goes_with_the_own_one_beside_it_and_comes_back_with_it() -> None:
    clock = StandingClock()
    with Scene() as scene, keeper_by(scene, clock) as keeper:
        until_ns = clock.forward(0) + 60_000 * MS
        for floating in BOTH:
            assert keeper.hold(floating, until_ns)
            goes_too(scene, keeper, floating)
            assert keeper.hold(floating, until_ns), "that is too early to give up"
            assert host_route(floating) not in scene.configured()
            scene.pi.add_address("eth0", OWN[floating.name])
            assert keeper.hold(floating, until_ns)
            assert scene.client.reaches(floating.address)
            assert keeper.observations() == [AddressRemoved(floating.name)], "now it is to be announced"
            assert keeper.observations() == []


@isolated
def test_an_address_that_is_without_an_own_one_beside_it_for_long_is_given_up_and_not_taken_again() -> None:
    clock = StandingClock()
    with Scene() as scene, keeper_by(scene, clock) as keeper:
        for floating in BOTH:
            assert keeper.hold(floating, clock.forward(0) + 60_000 * MS)
            goes_too(scene, keeper, floating)
            until_ns = clock.forward(1_000) + 60_000 * MS
            for _ in range(2):
                with pytest.raises(KernelError, match=r"has no IPv. address of this machine's own"):
                    keeper.hold(floating, until_ns)
                assert host_route(floating) not in scene.configured()
            assert keeper.observations() == []
