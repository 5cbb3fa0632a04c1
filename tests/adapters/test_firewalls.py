"""Other people's firewalls beside the gate: what they take away comes back, and what they leave alone is no news."""

from __future__ import annotations

import socket

from picluster.adapters.netlink import Netlink, attribute, text
from picluster.adapters.nftables import (
    NETLINK_NETFILTER,
    NFPROTO_ARP,
    NFPROTO_INET,
    NFTA_RULE_TABLE,
    batch,
    change,
    delete_table,
    flush_set,
    new_table,
    rules_of,
)
from picluster.ports import GateRestored
from tests.adapters.isolation import isolated
from tests.adapters.scene import BOTH, FLOATING, FLOATING6, Scene, host_route
from tests.patience import until

CREATE_TABLE, DELETE_TABLE, DELETE_RULE = 0, 2, 8
NFTA_TABLE_FLAGS = 2


def rules() -> list[bytes]:
    """The gate's tables and rules in this namespace."""
    with Netlink(NETLINK_NETFILTER) as netlink:
        return rules_of(netlink, (NFPROTO_INET, NFPROTO_ARP), "picluster")


def flush_ruleset() -> None:
    """`nft flush ruleset`, which many a firewall's file begins with."""
    with Netlink(NETLINK_NETFILTER) as netlink:
        netlink.commit(batch(change(DELETE_TABLE, socket.AF_UNSPEC)))


def flush_tables() -> None:
    """`nft flush table inet picluster`, and the same for arp: the rules go, the chains and sets stay."""
    with Netlink(NETLINK_NETFILTER) as netlink:
        for family in (NFPROTO_INET, NFPROTO_ARP):
            netlink.commit(batch(change(DELETE_RULE, family, text(NFTA_RULE_TABLE, "picluster"))))


def delete_arp_table() -> None:
    with Netlink(NETLINK_NETFILTER) as netlink:
        netlink.commit(batch(delete_table(NFPROTO_ARP, "picluster")))


def switch_off_table() -> None:
    """`nft add table inet picluster { flags dormant; }`: the rules stay, and none of them is looked at."""
    with Netlink(NETLINK_NETFILTER) as netlink:
        dormant = attribute(NFTA_TABLE_FLAGS, (1).to_bytes(4, "big"))
        netlink.commit(batch(change(CREATE_TABLE, NFPROTO_INET, text(NFTA_RULE_TABLE, "picluster"), dormant)))


@isolated
def test_rules_that_somebody_takes_away_are_back_with_the_next_renewal_and_that_is_told() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        assert keeper.hold(FLOATING6, scene.lease(60_000))
        intact = rules()
        for interfere in (flush_ruleset, flush_tables, delete_arp_table, switch_off_table):
            keeper.observations()
            interfere()
            assert rules() != intact
            assert keeper.hold(FLOATING, scene.lease(60_000))
            assert [len(rule) for rule in rules()] == [len(rule) for rule in intact]
            assert GateRestored() in keeper.observations()
            assert GateRestored() not in keeper.observations()
            # Whatever else is held is open again too, without a renewal of its own.
            assert scene.client.reaches(FLOATING6.address)
            intact = rules()
        scene.let_lease_end(keeper, FLOATING)
        assert not scene.client.answered(FLOATING.address)


@isolated
def test_what_was_open_when_the_rules_went_is_opened_again_for_the_rest_of_its_own_lease_only() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        until_ns = scene.lease(300)
        assert keeper.hold(FLOATING6, until_ns)
        flush_ruleset()
        scene.take(keeper, FLOATING)
        scene.wait_until(until_ns)
        assert host_route(FLOATING6) in scene.configured()
        assert not scene.client.answered(FLOATING6.address)


@isolated
def test_rules_that_are_gone_when_an_address_is_let_go_are_made_again_and_shut() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
        flush_ruleset()
        keeper.let_go(FLOATING)
        scene.pi.add_address("eth0", host_route(FLOATING))
        assert not scene.client.answered(FLOATING.address)
        assert scene.client.reaches(FLOATING6.address)
        assert GateRestored() in keeper.observations()


@isolated
def test_other_peoples_rules_are_no_news() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        with Netlink(NETLINK_NETFILTER) as netlink:
            for _ in range(3):
                netlink.commit(batch(new_table(NFPROTO_INET, "somebody-elses")))
                assert keeper.hold(FLOATING, scene.lease(60_000))
                netlink.commit(batch(delete_table(NFPROTO_INET, "somebody-elses")))
                keeper.let_go(FLOATING)
        assert GateRestored() not in keeper.observations()


@isolated
def test_an_emptied_set_is_filled_by_the_next_renewal() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        assert keeper.hold(FLOATING, scene.lease(60_000))
        with Netlink(NETLINK_NETFILTER) as netlink:
            netlink.commit(batch(flush_set(NFPROTO_INET, "picluster", FLOATING.name)))
        assert not scene.client.answered(FLOATING.address)
        scene.take(keeper, FLOATING)
        assert GateRestored() not in keeper.observations()


@isolated
def test_an_address_that_floats_no_more_is_guarded_no_more() -> None:
    with Scene() as scene:
        keeper = scene.keeper()
        for floating in BOTH:
            assert keeper.hold(floating, scene.lease(60_000))
        keeper.forget(FLOATING)
        assert host_route(FLOATING) not in scene.configured()
        scene.pi.add_address("eth0", host_route(FLOATING))
        assert scene.client.reaches(FLOATING.address)
        assert scene.client.reaches(FLOATING6.address)
        keeper.forget(FLOATING)
        keeper.forget(FLOATING6)
        assert keeper.observations() == []
        scene.switch.down("pi-eth0")
        until(lambda: not scene.pi.state("eth0").up, "the interface is down")
        assert keeper.observations() == []
