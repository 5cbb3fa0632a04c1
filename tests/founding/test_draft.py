"""What `picluster new` proposes and writes: always an inventory that loads, and means what was answered."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from picluster.errors import InventoryError
from picluster.founding.draft import Draft, NewAddress, NewNode, high_addresses, named, written
from picluster.founding.hosts import Host, gathered
from picluster.founding.proposal import free_addresses, fresh_pis, nodes_of, proposed, with_address
from picluster.inventory import load
from picluster.model.inventory import Inventory, Role
from picluster.model.surroundings import Neighbour, Service, Uplink

UPLINK = Uplink("eth0", ipaddress.IPv4Interface("192.168.1.17/24"), ipaddress.IPv4Address("192.168.1.1"))
WEB = (NewAddress("web", "192.168.1.200"),)


def nodes(number: int, witnesses: int = 0) -> tuple[NewNode, ...]:
    members = tuple(NewNode(f"pi{one}") for one in range(1, number + 1))
    return (*members, *(NewNode(f"box{one}", witness=True) for one in range(1, witnesses + 1)))


def read(draft: Draft) -> Inventory:
    return load(written(draft), "home.toml")


@pytest.mark.parametrize(
    ("number", "witnesses", "voters"),
    [(3, 0, 3), (4, 0, 3), (5, 0, 5), (10, 0, 5), (2, 1, 3), (3, 1, 3), (6, 1, 7), (1, 2, 3)],
)
def test_an_odd_number_votes_and_witnesses_are_among_them(number: int, witnesses: int, voters: int) -> None:
    inventory = read(Draft("home", nodes=nodes(number, witnesses), addresses=WEB))
    assert len(inventory.configuration.voters) == voters
    named_witnesses = {node.name for node in inventory.nodes if node.role is Role.WITNESS}
    assert named_witnesses <= set(inventory.configuration.voters)
    assert len(named_witnesses) == witnesses


def test_two_pis_and_nobody_else_have_the_gateway_decide() -> None:
    draft = Draft("home", subnet="192.168.1.0/24", gateway="192.168.1.1", nodes=nodes(2), addresses=WEB)
    assert read(draft).configuration.tie_breaker


def test_everything_that_was_answered_is_in_it() -> None:
    draft = Draft(
        "home",
        subnet="192.168.1.0/24",
        gateway="192.168.1.1",
        interface="wlan0",
        nodes=(NewNode("pi1", "192.168.1.21", serial="10000000abcdef01", remark="the left one"), *nodes(3)[1:]),
        addresses=(*WEB, NewAddress("dns", "192.168.1.201")),
        user="admin",
        time_zone="Europe/Berlin",
        voters=("pi1", "pi2", "pi3"),
    )
    inventory = read(draft)
    assert str(inventory.nodes[0].address) == "192.168.1.21"
    assert inventory.nodes[0].serial == "10000000abcdef01"
    assert [node.access.user for node in inventory.nodes] == ["admin"] * 3
    assert inventory.system.time_zone == "Europe/Berlin"
    assert [floating.interface for floating in inventory.configuration.addresses] == ["wlan0", "wlan0"]
    assert inventory.configuration.timing.lease_ms == 2_000, "Wi-Fi has its own preset"
    assert "the left one" in written(draft)


SOUND = Draft("home", nodes=nodes(3), addresses=WEB)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(SOUND, cluster='ho"me'),
        replace(SOUND, subnet="192.168.1.0/99"),
        replace(SOUND, nodes=(NewNode("pi one"), *nodes(2))),
        replace(SOUND, voters=("pi9",)),
    ],
)
def test_a_wrong_answer_is_found_by_whoever_knows_the_rules(wrong: Draft) -> None:
    assert read(SOUND).cluster == "home"
    with pytest.raises(InventoryError):
        read(wrong)


def test_what_is_proposed_without_any_find_is_an_inventory() -> None:
    draft = proposed("home", UPLINK, (), "Europe/Berlin")
    inventory = read(with_address(draft, free_addresses(draft, UPLINK, ())[0], "silent"))
    assert inventory.node_names == ("pi1", "pi2", "pi3")
    assert (str(inventory.subnet), str(inventory.gateway)) == ("192.168.1.0/24", "192.168.1.1")
    assert read(replace(proposed("home", None, (), ""), addresses=WEB)).subnet is None


def test_found_pis_keep_the_name_that_they_have() -> None:
    pis = (
        Host("attic", ("192.168.1.31",), "dc:a6:32:00:00:01", serial="10000000abcdef01"),
        Host("raspberrypi", ("192.168.1.32",), "dc:a6:32:00:00:02"),
        Host("pi1", ("192.168.1.33",), "dc:a6:32:00:00:03"),
        Host("", ("192.168.1.34",), "dc:a6:32:00:00:04"),
        Host("laptop", ("192.168.1.35",), "00:11:22:33:44:55"),
    )
    found = nodes_of(fresh_pis(pis))
    assert [node.answer for node in found] == ["attic", "pi2=192.168.1.32", "pi1", "pi3=192.168.1.34"]
    assert [node.serial for node in found] == ["10000000abcdef01", "", "", ""]


def test_machines_are_put_together_from_what_was_heard() -> None:
    services = [
        Service("_workstation._tcp", "pi1 [dc:a6:32:00:00:01]", "pi1.local", ("192.168.1.31",), 9),
        Service("_ssh._tcp", "pi1", "pi1.local", ("192.168.1.31", "fe80::1"), 22),
        Service("_ssh._tcp", "evil", "\x1b[31m.local", ("192.168.1.66",), 22),
    ]
    neighbours = [
        Neighbour(ipaddress.IPv4Address("192.168.1.40"), "b8:27:eb:00:00:05"),
        Neighbour(ipaddress.IPv4Address("192.168.1.41"), "00:11:22:33:44:55"),
    ]
    hosts = gathered(services, neighbours)
    assert [(host.name, host.address, host.mac) for host in hosts] == [
        ("pi1", "192.168.1.31", "dc:a6:32:00:00:01"),
        ("", "192.168.1.40", "b8:27:eb:00:00:05"),
    ]


def test_a_floating_address_is_high_in_the_subnet_and_nobodys() -> None:
    draft = replace(proposed("home", UPLINK, (), ""), nodes=(NewNode("pi1", "192.168.1.252"),))
    found = [str(one) for one in free_addresses(draft, UPLINK, [Host("box", ("192.168.1.253",))])]
    assert found[:2] == ["192.168.1.251", "192.168.1.250"]
    router = replace(draft, gateway="192.168.1.251")
    assert str(free_addresses(router, None, ())[0]) == "192.168.1.253"
    assert free_addresses(replace(draft, subnet=""), UPLINK, ()) == ()
    assert high_addresses("fd00::/64", (), 3) == ()
    assert high_addresses("192.168.1.0/31", (), 3) == ()


def test_an_answer_is_a_name_and_perhaps_a_value() -> None:
    assert named("pi1") == ("pi1", "")
    assert named(" pi1 = 192.168.1.21 ") == ("pi1", "192.168.1.21")
