"""Which machines are told of, what they are to a cluster, and that nothing of it can harm a terminal."""

from __future__ import annotations

import pytest

from picluster.discovery.records import Announcement
from picluster.founding.hosts import KINDS, Standing, gathered, is_pi
from picluster.founding.telling import found_among, told
from picluster.inventory import load
from picluster.model.inventory import Role
from picluster.model.surroundings import Service

AGENT = KINDS[-1]
INVENTORY = load(
    """
    [cluster]
    name = "home"
    [nodes.pi1]
    [nodes.pi2]
    address = "192.168.1.22"
    [nodes.pi3]
    serial = "10000000ABCDEF03"
    """,
    "home.toml",
)


def heard(name: str, address: str, text: bytes = b"", instance: str = "") -> Service:
    return Service("_ssh._tcp", instance or name, f"{name}.local", (address,), 22, text)


def agent(cluster: str, node: str, address: str, role: Role = Role.MEMBER) -> Service:
    said = Announcement(cluster, node, role, "0.1.0", 7, 7654)
    return Service(AGENT, said.label, said.host, (address,), 7654, said.text)


@pytest.mark.parametrize(
    ("service", "node"),
    [
        (heard("pi1", "192.168.1.90"), "pi1"),
        (heard("raspberrypi", "192.168.1.22"), "pi2"),
        (heard("raspberrypi", "192.168.1.90", b"\x17serial=10000000ABCDEF03"), "pi3"),
        (agent("home", "pi3", "192.168.1.90"), "pi3"),
    ],
    ids=["by name", "by address", "by serial number", "by its agent"],
)
def test_a_machine_is_what_the_inventory_calls_it(service: Service, node: str) -> None:
    ([found], others) = found_among(gathered([service], ()), INVENTORY)
    assert (found.node, others) == (node, ())
    assert found.as_json()["node"] == node


def test_an_agent_is_ours_or_theirs_and_an_observer_is_nobody() -> None:
    services = [
        agent("home", "pi1", "192.168.1.21"),
        agent("office", "pi1", "192.168.1.31"),
        agent("home", "laptop", "192.168.1.41", Role.OBSERVER),
    ]
    found, _ = found_among(gathered(services, ()), INVENTORY)
    assert [(one.standing, one.words) for one in found] == [
        (Standing.OURS, "ours: pi1, member, version 0.1.0"),
        (Standing.FOREIGN, "foreign: pi1 of cluster office, member, version 0.1.0"),
    ]
    alone, _ = found_among(gathered(services, ()), None)
    assert {one.standing for one in alone} == {Standing.FOREIGN}


def test_what_is_heard_of_one_machine_is_told_once() -> None:
    services = [
        agent("home", "pi1", "192.168.1.21"),
        heard("pi1", "192.168.1.21", b"\x14model=Raspberry Pi 5"),
        Service("_workstation._tcp", "pi1 [B8:27:EB:00:00:01]", "pi1.local", ("fd00::21", "fe80::1"), 9),
    ]
    [host] = gathered(services, ())
    assert (host.name, host.addresses, host.mac) == ("pi1", ("192.168.1.21", "fd00::21"), "b8:27:eb:00:00:01")
    assert (host.model, host.agent is not None) == ("Raspberry Pi 5", True)


@pytest.mark.parametrize(
    ("mac", "pi"),
    [("dc:a6:32:00:00:01", True), ("f0:40:af:9a:00:01", True), ("f0:40:af:1a:00:01", False), ("52:54:00:00:00:01", False)],
)
def test_a_pi_is_known_by_its_maker(mac: str, pi: bool) -> None:
    [host] = gathered([heard("attic", "192.168.1.21", instance=f"attic [{mac}]")], ())
    assert is_pi(host) == pi
    found, others = found_among([host], None)
    assert (len(found), others) == ((1, ()) if pi else (0, ("attic",)))


def test_nothing_that_is_heard_reaches_a_terminal_as_it_is() -> None:
    services = [
        heard("evil\x1b[2J", "192.168.1.66"),
        heard("attic", "no address", b"\x0fmodel=Pi\x1b[2J\n!"),
        Service("_workstation._tcp", "pi1 [dc:a6:32:00:00:01]", "pi1.local", ("127.0.0.1", "192.168.1.21"), 9),
    ]
    words = told(*found_among(gathered(services, ()), None))
    assert words.splitlines() == [
        "name  address       MAC                model  serial  what it is",
        "pi1   192.168.1.21  dc:a6:32:00:00:01  -      -       fresh",
        "no Pis, as far as can be told: attic",
    ]
