"""What a killed keeper leaves behind, and what is not its own: its successor cleans up the one, and leaves the other."""

from __future__ import annotations

import signal

import pytest

from picluster.adapters.keeper import KernelAddressKeeper
from picluster.adapters.netlink import Netlink
from picluster.adapters.nftables import NETLINK_NETFILTER, NFPROTO_INET, batch, new_table
from picluster.errors import KernelError
from tests.adapters.isolation import isolated
from tests.adapters.scene import BOTH, FLOATING, Scene, forked, host_route, tables
from tests.patience import until


@isolated
def test_a_killed_predecessors_leftovers_are_cleaned_and_nothing_else() -> None:
    with Scene() as scene:
        with Netlink(NETLINK_NETFILTER) as netlink:
            netlink.commit(batch(new_table(NFPROTO_INET, "somebody-elses")))
        scene.pi.add_address("eth0", "10.77.0.50/32")
        others = scene.configured()

        def hold_both() -> None:
            predecessor = scene.keeper()
            for floating in BOTH:
                predecessor.hold(floating, scene.lease(60_000))
            signal.pause()

        with forked(hold_both):
            until(lambda: all(host_route(floating) in scene.configured() for floating in BOTH), "both addresses are there")
            assert scene.client.reaches(FLOATING.address)
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

        def hold_shortly() -> None:
            predecessor = scene.keeper()
            predecessor.hold(FLOATING, scene.lease(500))
            signal.pause()

        with forked(hold_shortly):
            until(lambda: host_route(FLOATING) in scene.configured(), "the address is there")
        until(lambda: not scene.client.answered(FLOATING.address), "the lease ends")
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
