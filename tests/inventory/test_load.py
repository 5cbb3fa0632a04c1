"""What a good inventory becomes: the examples of the repository, the defaults, and what editors do to files."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from picluster.inventory import load
from picluster.model.inventory import DEFAULT_PORT, Access, Candidate, Configuration, Inventory, Role, System, Wiring
from picluster.model.timing import PRESETS

EXAMPLES = sorted((Path(__file__).parents[2] / "inventory").glob("*.toml"))

SMALLEST = """
[cluster]
name = "home"
[nodes.pi1]
"""

EVERYTHING = """
[cluster]
name = "home"
epoch = 7
[network]
subnet = "192.168.1.0/24"
gateway = "192.168.1.1"
interface = "wlan0"
port = 7000
[quorum]
voters = ["pi2", "pi1", "nas"]
[failover]
preset = "wifi"
lease_ms = 3000
settle_ms = 60_000
[addresses.web]
address = "192.168.1.200"
candidates = ["pi2", "pi1"]
priorities = { pi1 = 200 }
failback = true
interface = "eth1"
[addresses.six]
address = "fd00::200"
[nodes.pi1]
address = "192.168.1.11"
port = 7001
serial = "10000000ABCDEF01"
lights = { board = "leds", pins = { green = 17, red = 27 } }
[nodes.pi2]
lights.board = "traffic-light"
[nodes.nas]
role = "witness"
user = "root"
ssh_port = 2222
[access]
user = "admin"
port = 22022
[system]
time_zone = "America/Argentina/Buenos_Aires"
locale = "es_AR.UTF-8"
wifi_country = "AR"
packages = ["htop", "g++", "libstdc++6"]
"""


def example(name: str) -> Inventory:
    path = next(path for path in EXAMPLES if path.stem == name)
    return load(path.read_text(encoding="utf-8"), path.name)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    inventory = load(path.read_text(encoding="utf-8"), path.name)
    assert inventory.cluster
    assert inventory.configuration.addresses


def test_the_examples_are_what_their_names_say() -> None:
    three, ten, two = example("three-pis"), example("ten-pis"), example("two-pis-and-a-witness")
    assert three.configuration.voters == three.node_names == ("pi1", "pi2", "pi3")
    assert len(ten.nodes) == 10
    assert len(ten.configuration.voters) == 5
    assert len(ten.configuration.addresses) == 3
    assert [node.role for node in two.nodes] == [Role.MEMBER, Role.MEMBER, Role.WITNESS]
    assert two.configuration.majority == 2
    assert two.configuration.addresses[0].candidate_names == ("pi1", "pi2")


def test_the_smallest_inventory_has_a_default_for_everything() -> None:
    inventory = load(SMALLEST, "home.toml")
    assert inventory.configuration == Configuration(epoch=1, voters=("pi1",), addresses=())
    [node] = inventory.nodes
    assert (node.role, node.address, node.port, node.serial, node.wiring) == (
        Role.MEMBER,
        None,
        DEFAULT_PORT,
        None,
        Wiring("none"),
    )
    assert node.access == Access("pi", 22)
    assert inventory.subnet is None
    assert inventory.gateway is None
    assert inventory.system == System(None, None, None, ())


def test_every_key_arrives_in_its_place() -> None:
    inventory = load(EVERYTHING, "home.toml")
    configuration = inventory.configuration
    assert (inventory.cluster, configuration.epoch) == ("home", 7)
    assert (inventory.subnet, inventory.gateway) == (ip_network("192.168.1.0/24"), ip_address("192.168.1.1"))
    assert configuration.voters == ("pi2", "pi1", "nas")
    web, six = configuration.addresses
    assert (web.address, web.interface, web.failback) == (ip_address("192.168.1.200"), "eth1", True)
    assert web.candidates == (Candidate("pi2", 100), Candidate("pi1", 200))
    assert (six.address, six.interface, six.failback) == (ip_address("fd00::200"), "wlan0", False)
    assert six.candidates == (Candidate("pi1"), Candidate("pi2")), "by default every member, never the witness"
    pi1, pi2, nas = inventory.nodes
    assert (pi1.address, pi1.port, pi1.serial) == (ip_address("192.168.1.11"), 7001, "10000000abcdef01")
    assert pi1.wiring == Wiring("leds", {"green": 17, "red": 27})
    assert pi2.wiring == Wiring("traffic-light")
    assert (pi2.port, nas.role) == (7000, Role.WITNESS)
    assert (pi1.access, nas.access) == (Access("admin", 22022), Access("root", 2222))
    packages = ("htop", "g++", "libstdc++6")
    assert inventory.system == System("America/Argentina/Buenos_Aires", "es_AR.UTF-8", "AR", packages)


def test_single_timings_stand_on_top_of_the_preset() -> None:
    timing = load(EVERYTHING, "home.toml").configuration.timing
    assert (timing.lease_ms, timing.settle_ms) == (3_000, 60_000)
    assert timing.renewal_ms == PRESETS["wifi"].renewal_ms


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_as_it_is(preset: str) -> None:
    inventory = load(f'{SMALLEST}[failover]\npreset = "{preset}"', "home.toml")
    assert inventory.configuration.timing == PRESETS[preset]


def test_two_pis_and_their_gateway() -> None:
    text = """
        cluster.name = "two"
        network = { gateway = "10.0.0.1" }
        quorum.two_node = "gateway"
        nodes = { a = {}, b = {} }
        """
    configuration = load(text, "two.toml").configuration
    assert (configuration.tie_breaker, configuration.voters, configuration.majority) == (True, ("a", "b"), 2)


def test_a_witness_may_be_the_gateway_and_a_lab_may_share_a_loopback_address() -> None:
    router = '[network]\ngateway = "10.0.0.1"\n[nodes.router]\nrole = "witness"\naddress = "10.0.0.1"\n[nodes.pi2]\n'
    assert load(SMALLEST + router, "home.toml").node("router")
    lab = '[cluster]\nname = "lab"\n' + "".join(
        f'[nodes.pi{number}]\naddress = "127.0.0.1"\nport = {7000 + number}\n' for number in (1, 2, 3)
    )
    assert len(load(lab, "lab.toml").nodes) == 3


@pytest.mark.parametrize("marred", ["\ufeff" + EVERYTHING, EVERYTHING.replace("\n", "\r\n")], ids=["BOM", "CRLF"])
def test_what_editors_add_changes_nothing(marred: str) -> None:
    assert load(marred, "home.toml") == load(EVERYTHING, "home.toml")
