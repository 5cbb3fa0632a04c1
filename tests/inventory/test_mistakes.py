"""Every mistake is found, named by its key and line, and explained. One row each: what is changed in a good inventory, where
the mistake is, and a word that the sentence has to contain to be of help."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from picluster.errors import InventoryError, Mistake
from picluster.inventory import load

GOOD = """\
[cluster]
name = "home"
epoch = 1
[network]
subnet = "192.168.1.0/24"
gateway = "192.168.1.1"
[quorum]
voters = ["pi1", "pi2", "nas"]
[failover]
preset = "wired"
[addresses.web]
address = "192.168.1.200"
candidates = ["pi1", "pi2"]
[addresses.dns]
address = "192.168.1.201"
[nodes.pi1]
address = "192.168.1.11"
serial = "10000000abcdef01"
[nodes.pi2]
lights = { board = "leds", pins = { green = 17, red = 27 } }
[nodes.nas]
role = "witness"
[access]
user = "pi"
[system]
time_zone = "Europe/Berlin"
"""


@dataclass(frozen=True)
class Case:
    name: str
    old: str
    new: str
    key: str
    at: str | None
    """The start of the line on which the mistake has to be reported; None: no line."""
    helps: str


def add(section: str, line: str, key: str, helps: str, name: str) -> Case:
    """A line added at the top of a section."""
    header = f"[{section}]\n"
    return Case(name, header, f"{header}{line}\n", key, line.partition("=")[0], helps)


SUBNET = 'subnet = "192.168.1.0/24"'
GATEWAY = 'gateway = "192.168.1.1"'
VOTERS = 'voters = ["pi1", "pi2", "nas"]'
WEB = 'address = "192.168.1.200"'
CANDIDATES = 'candidates = ["pi1", "pi2"]'
PI1 = 'address = "192.168.1.11"'
SERIAL = 'serial = "10000000abcdef01"'
LIGHTS = 'lights = { board = "leds", pins = { green = 17, red = 27 } }'
PINS = "{ green = 17, red = 27 }"


def web(address: str, helps: str, name: str) -> Case:
    return Case(name, WEB, f'address = "{address}"', "addresses.web.address", "address", helps)


def zone(value: str, name: str) -> Case:
    return Case(name, '"Europe/Berlin"', f'"{value}"', "system.time_zone", "time_zone", "is no time zone")


CASES = [
    # TOML itself
    Case("syntax", 'name = "home"', "name = home", "", "name = home", "double quotes"),
    Case("node twice", "[nodes.pi2]", "[nodes.pi1]", "nodes.pi1", None, "rename one of the two"),
    Case("section twice", "[quorum]", "[network]", "network", None, "first is on line 4"),
    Case("key twice", "epoch = 1", 'name = "other"', "cluster.name", 'name = "other"', "second time"),
    Case("number without end", "epoch = 1", "epoch = " + "1" * 5_000, "", None, "not valid TOML"),
    Case("brackets without end", "epoch = 1", "epoch = " + "[" * 5_000, "", None, "nested too deeply"),
    # keys and types
    Case("unknown section", "[failover]", "[failovers]", "failovers", "[failovers]", "Perhaps you mean failover"),
    Case("unknown key", "epoch = 1", "epok = 1", "cluster.epok", "epok", "Perhaps you mean epoch"),
    Case("lonely unknown key", "epoch = 1", "zzz = 1", "cluster.zzz", "zzz", "Known here: name, epoch"),
    add("quorum", 'gateway = "192.168.1.1"', "quorum.gateway", "belongs in [network]", "key of another section"),
    Case("unknown key below", "{ board", "{ bord = 1, board", "nodes.pi2.lights.bord", "lights", "Perhaps you mean board"),
    Case("unprintable key", "epoch = 1", '"\\u001b[2J" = 1', 'cluster."\ufffd[2J"', '"', "unknown key"),
    Case("text for a number", "epoch = 1", 'epoch = "1"', "cluster.epoch", "epoch", "without quotes"),
    Case("truth for a number", "epoch = 1", "epoch = true", "cluster.epoch", "epoch", "found true or false"),
    Case("fraction for a number", "epoch = 1", "epoch = 1.0", "cluster.epoch", "epoch", "whole number"),
    Case("number for text", 'name = "home"', "name = 1", "cluster.name", "name", "text in quotes"),
    Case("text for a list", VOTERS, 'voters = "pi1"', "quorum.voters", "voters", "a list"),
    Case("number in a list", VOTERS, "voters = [1, 2, 3]", "quorum.voters", "voters", "text in quotes"),
    Case("number for a node", "[cluster]", "nodes.pi3 = 5\n[cluster]", "nodes.pi3", "nodes.pi3", "[nodes.pi1]"),
    add("addresses.web", 'failback = "true"', "addresses.web.failback", "without quotes", "text for a truth"),
    add(
        "addresses.web",
        "priorities = { pi1 = true }",
        "addresses.web.priorities.pi1",
        "whole number",
        "truth for a priority",
    ),
    # cluster and names
    Case("no name", 'name = "home"\n', "", "cluster.name", "[cluster]", 'name = "home"'),
    Case("bad cluster name", '"home"', '"My Home"', "cluster.name", "name", "lower-case"),
    Case("epoch zero", "epoch = 1", "epoch = 0", "cluster.epoch", "epoch", "from 1"),
    Case("huge epoch", "epoch = 1", "epoch = 0x" + "f" * 9_000, "cluster.epoch", "epoch", "out of range"),
    Case("capital letters", "[addresses.dns]", "[addresses.DNS]", "addresses.DNS", "[addresses.DNS]", "Write dns"),
    Case("case only", "[addresses.dns]", "[addresses.Web]", "addresses.Web", "[addresses.Web]", "differs from web only"),
    Case("long name", "[addresses.dns]", f"[addresses.{'d' * 33}]", f"addresses.{'d' * 33}", "[addresses.ddd", "32"),
    Case("hyphen at the end", "[addresses.dns]", "[addresses.dns-]", "addresses.dns-", "[addresses.dns-]", "hyphen"),
    # network
    Case("no subnet at all", SUBNET, 'subnet = "home"', "network.subnet", "subnet", "192.168.1.0/24"),
    Case("subnet with a zone", SUBNET, 'subnet = "fe80::%eth0/64"', "network.subnet", "subnet", "no subnet"),
    Case("host for a subnet", SUBNET, 'subnet = "192.168.1.7/24"', "network.subnet", "subnet", 'Write "192.168.1.0/24"'),
    Case("subnet without length", SUBNET, 'subnet = "192.168.1.0"', "network.subnet", "subnet", "prefix length"),
    Case("gateway outside", GATEWAY, 'gateway = "10.0.0.1"', "network.gateway", "gateway", "outside network.subnet"),
    Case("gateway of IPv6", GATEWAY, 'gateway = "fd00::1"', "network.gateway", "gateway", "is IPv4"),
    add("network", "port = 0", "network.port", "from 1 to 65_535", "port zero"),
    add("network", "port = 65536", "network.port", "from 1 to 65_535", "port too high"),
    add("network", 'interface = "eth 0"', "network.interface", "eth0", "interface with a blank"),
    add("network", 'interface = "eth0123456789012"', "network.interface", "eth0", "interface too long"),
    # nodes
    Case("no node", GOOD[GOOD.index("[addresses.web]") :], "", "nodes", None, "[nodes.pi1]"),
    add("nodes.pi1", 'role = "master"', "nodes.pi1.role", '"member", "witness"', "unknown role"),
    add("nodes.pi1", "port = -1", "nodes.pi1.port", "from 1", "port of a node"),
    Case("no IP address", PI1, 'address = "pi1.local"', "nodes.pi1.address", "address", "is no IP address"),
    Case("outside the subnet", PI1, 'address = "192.168.2.11"', "nodes.pi1.address", "address", "outside network.subnet"),
    Case("the other family", PI1, 'address = "fd00::11"', "nodes.pi1.address", "address", "is IPv4"),
    Case("two nodes of one IP", "[nodes.pi2]", f"[nodes.pi2]\n{PI1}", "nodes.pi2.address", None, "node pi1"),
    Case("two of one serial", "[nodes.pi2]", f"[nodes.pi2]\n{SERIAL.upper().lower()}", "nodes.pi2.serial", None, "pi1"),
    Case("no serial", SERIAL, 'serial = "my pi"', "nodes.pi1.serial", "serial", "/proc/device-tree/serial-number"),
    # lights
    Case("unknown board", '"leds"', '"traffic-lights"', "nodes.pi2.lights.board", "lights", '"traffic-light"'),
    Case("no board", 'board = "leds", ', "", "nodes.pi2.lights.board", "lights", "leds"),
    Case("pins missing", f", pins = {PINS}", "", "nodes.pi2.lights.pins", "lights", "green = 17"),
    Case("pins of a fixed board", '"leds"', '"traffic-phat"', "nodes.pi2.lights.pins", "lights", "Leave pins out"),
    Case("pin twice", "red = 27", "red = 17", "nodes.pi2.lights.pins", "lights", "GPIO 17 lights both green and red"),
    Case("pin too high", "red = 27", "red = 28", "nodes.pi2.lights.pins.red", "lights", "from 0 to 27"),
    Case("pin by truth", "red = 27", "red = true", "nodes.pi2.lights.pins.red", "lights", "whole number"),
    Case("unknown colour", "red = 27", "pink = 27", "nodes.pi2.lights.pins", "lights", "red, amber, green"),
    # floating addresses
    Case("no address", WEB + "\n", "", "addresses.web.address", "[addresses.web]", 'address = "192.168.1.200"'),
    web("192.168.2.200", "outside network.subnet", "floating outside"),
    web("192.168.1.0", "the subnet itself", "network address"),
    web("192.168.1.255", "broadcast", "broadcast address"),
    web("192.168.1.11", "node pi1", "address of a node"),
    web("192.168.1.1", "the gateway", "address of the gateway"),
    web("192.168.1.200/24", 'Write "192.168.1.200"', "address with its length"),
    web("127.0.0.1", "loopback", "loopback"),
    web("224.0.0.251", "multicast", "multicast"),
    web("0.0.0.0", "nobody", "unspecified"),
    web("169.254.1.1", "one link", "link-local"),
    web("::1", "loopback", "loopback of IPv6"),
    web("ff02::fb", "multicast", "multicast of IPv6"),
    web("::", "nobody", "unspecified of IPv6"),
    web("fe80::1", "one link", "link-local of IPv6"),
    web("fd00::1%eth0", "zone", "zone"),
    web("::ffff:192.168.1.200", '"192.168.1.200"', "mapped address"),
    Case("two of one IP", "192.168.1.201", "192.168.1.200", "addresses.dns.address", None, "floating address web"),
    Case("candidate unknown", CANDIDATES, 'candidates = ["pi1", "pi22"]', "addresses.web.candidates", "cand", '"pi2"'),
    Case("candidate twice", CANDIDATES, 'candidates = ["pi1", "pi1"]', "addresses.web.candidates", "cand", "2 times"),
    Case("witness candidate", CANDIDATES, 'candidates = ["nas"]', "addresses.web.candidates", "cand", "never holds"),
    Case("no candidate", CANDIDATES, "candidates = []", "addresses.web.candidates", "cand", "at least one"),
    add("addresses.web", "priorities = { pi3 = 9 }", "addresses.web.priorities", "names no node", "priority of nobody"),
    add("addresses.web", "priorities = { nas = 9 }", "addresses.web.priorities", "not a candidate", "priority of a witness"),
    add(
        "addresses.web", "priorities = { pi1 = -1 }", "addresses.web.priorities.pi1", "from 0 to 1_000", "negative priority"
    ),
    add("addresses.web", "priorities = 200", "addresses.web.priorities", "{ pi1 = 200 }", "priority without a name"),
    # quorum
    Case("voter unknown", VOTERS, 'voters = ["nas", "pi1", "pi9"]', "quorum.voters", "voters", '"pi9" names no node'),
    Case("voter twice", VOTERS, 'voters = ["nas", "pi1", "pi2", "pi2"]', "quorum.voters", "voters", "2 times"),
    Case("no voters", VOTERS, "voters = []", "quorum.voters", "voters", "an odd number"),
    Case("two voters", VOTERS, 'voters = ["pi1", "nas"]', "quorum.voters", "voters", 'two_node = "gateway"'),
    Case("even by default", VOTERS, "[nodes.pi4]", "quorum.voters", "[quorum]", "every node votes"),
    Case("idle witness", VOTERS, 'voters = ["pi1"]', "quorum.voters", "voters", "Add nas"),
    add("quorum", 'two_node = "gatway"', "quorum.two_node", '"gateway"', "two_node misspelt"),
    add("quorum", 'two_node = "gateway"', "quorum.two_node", "exactly two voters", "two_node of three"),
    # failover
    Case("unknown preset", '"wired"', '"wiered"', "failover.preset", "preset", 'Perhaps you mean "wired"'),
    add("failover", "lease_ms = 5001", "failover.lease_ms", "from 20 to 5_000", "lease too long"),
    add("failover", "lease_ms = 19", "failover.lease_ms", "from 20 to 5_000", "lease far too short"),
    add("failover", "lease_ms = 174", "failover.lease_ms", "too short for renewals", "lease too short for the renewals"),
    add("failover", "renewal_ms = 71", "failover.renewal_ms", "lease_ms = 178", "renewals too slow"),
    add("failover", "retry_ms = 71", "failover.retry_ms", "retry_ms = 70", "retry too slow"),
    add("failover", "renewal_ms = 9", "failover.renewal_ms", "retry", "renewals faster than retries"),
    add("failover", "rank_step_ms = 59", "failover.rank_step_ms", "rank_step_ms = 58", "rank step too large"),
    add("failover", "heartbeat_ms = 49", "failover.heartbeat_ms", "from 50 to 5_000", "heartbeats too fast"),
    add("failover", "heartbeat_ms = 5_001", "failover.heartbeat_ms", "from 50 to 5_000", "heartbeats too slow"),
    add("failover", "settle_ms = -1", "failover.settle_ms", "from 0", "negative time"),
    # access and system
    add("access", "port = 65536", "access.port", "from 1 to 65_535", "SSH port too high"),
    Case("login with a blank", 'user = "pi"', 'user = "p i"', "access.user", "user", "is no login"),
    Case("login that is an option", 'user = "pi"', 'user = "-oProxy"', "access.user", "user", "is no login"),
    add("nodes.pi1", 'user = ""', "nodes.pi1.user", "is no login", "empty login"),
    add("nodes.pi1", "ssh_port = 0", "nodes.pi1.ssh_port", "from 1 to 65_535", "SSH port of a node"),
    add("access", "ssh_port = 22", "access.ssh_port", "belongs in [nodes.NAME]", "key of a node"),
    zone("CET", "an abbreviation"),
    zone("europe/berlin", "small letters"),
    zone("../../etc/passwd", "a path"),
    zone("UTC+1", "an offset"),
    add("system", 'locale = "de_DE"', "system.locale", '"de_DE.UTF-8"', "locale without its encoding"),
    add("system", 'locale = "german"', "system.locale", '"de_DE.UTF-8"', "language for a locale"),
    add("system", 'wifi_country = "de"', "system.wifi_country", "two capital letters", "country in small letters"),
    add("system", 'wifi_country = "DEU"', "system.wifi_country", "two capital letters", "country of three letters"),
    add("system", 'packages = ["htop=3.2"]', "system.packages", "without a version", "package with its version"),
    add("system", 'packages = ["--reinstall"]', "system.packages", "no package's name", "package that is an option"),
    add("system", 'packages = "htop"', "system.packages", "a list", "text for packages"),
]


def mistakes_of(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(InventoryError) as caught:
        load(text, "home.toml")
    return caught.value.mistakes


def test_the_inventory_that_the_cases_change_is_good() -> None:
    assert load(GOOD, "home.toml").cluster == "home"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_found_and_explained(case: Case) -> None:
    assert GOOD.count(case.old) >= 1
    text = GOOD.replace(case.old, case.new, 1)
    mistakes = mistakes_of(text)
    assert len(mistakes) == 1, f"one mistake, told once: {mistakes}"
    [mistake] = mistakes
    assert mistake.source == "home.toml"
    assert mistake.key == case.key
    assert case.helps in str(mistake)
    assert not mistake.wrong.endswith(".")
    assert not mistake.mend.endswith(".")
    if case.at is not None:
        assert mistake.line is not None
        assert text.splitlines()[mistake.line - 1].startswith(case.at)


def several(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = several(
        ("red = 27", "red = 99"), ("epoch = 1", "epoch = -1"), ('"pi1", "pi2"]\n[addresses.dns', '"pi9"]\n[addresses.dns')
    )
    mistakes = mistakes_of(text)
    assert [mistake.key for mistake in mistakes] == [
        "cluster.epoch",
        "addresses.web.candidates",
        "nodes.pi2.lights.pins.red",
    ]
    assert [mistake.line for mistake in mistakes] == sorted(mistake.line or 0 for mistake in mistakes)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("[nodes.pi2]", "[nodes.pi1]", 19), ("[quorum]", "[network]", 7), (LIGHTS, f"{LIGHTS}\n[nodes.pi1]", 21)],
)
def test_a_repeated_section_is_told_at_its_second_place(old: str, new: str, line: int) -> None:
    [mistake] = mistakes_of(GOOD.replace(old, new, 1))
    assert mistake.line == line


def test_an_empty_file_lacks_a_name_and_nodes() -> None:
    assert {(mistake.key, mistake.line) for mistake in mistakes_of("")} == {("cluster.name", None), ("nodes", None)}


TWO = """
[cluster]
name = "two"
[network]
gateway = "192.168.1.1"
[quorum]
two_node = "gateway"
[nodes.pi1]
address = "192.168.1.11"
[nodes.pi2]
"""


@pytest.mark.parametrize(
    ("old", "new", "helps"),
    [
        ('gateway = "192.168.1.1"', "", "Add gateway"),
        ("192.168.1.11", "192.168.1.1", "nobody breaks a tie that it is part of"),
        ("[nodes.pi2]", '[nodes.pi2]\nrole = "witness"', "pi2 is a witness"),
    ],
    ids=["no gateway", "gateway votes", "witness of two"],
)
def test_the_gateway_breaks_the_tie_of_two_pis_only(old: str, new: str, helps: str) -> None:
    assert load(TWO, "two.toml").configuration.tie_breaker
    [mistake] = mistakes_of(TWO.replace(old, new, 1))
    assert mistake.key == "quorum.two_node"
    assert helps in str(mistake)


def crowd(number: int, quorum: str = "") -> str:
    return f'[cluster]\nname = "crowd"\n{quorum}' + "".join(f"[nodes.pi{index}]\n" for index in range(number))


@pytest.mark.parametrize(
    ("text", "key", "helps"),
    [
        (crowd(4), "quorum.voters", '"pi0", "pi1", "pi2"]'),
        (crowd(8), "quorum.voters", "7 at most"),
        (crowd(9), "quorum.voters", '"pi0", "pi1", "pi2", "pi3", "pi4"]'),
        (crowd(101, '[quorum]\nvoters = ["pi1"]\n'), "nodes", "at most 100"),
    ],
    ids=["even", "many and even", "many", "crowd"],
)
def test_a_large_stack_has_few_voters(text: str, key: str, helps: str) -> None:
    [mistake] = mistakes_of(text)
    assert mistake.key == key
    assert helps in str(mistake)


def test_an_even_number_of_voters_is_a_step_on_the_way_once_there_was_another_epoch() -> None:
    named = '[quorum]\nvoters = ["pi0", "pi1"{}]\n'
    for more in ("", ', "pi2", "pi3"'):
        text = crowd(4, named.format(more))
        assert "voters" in str(mistakes_of(text))
        inventory = load(text.replace('"crowd"', '"crowd"\nepoch = 2'), "home.toml")
        assert len(inventory.configuration.voters) % 2 == 0
    unnamed = crowd(4).replace('"crowd"', '"crowd"\nepoch = 2')
    assert "every node votes" in str(mistakes_of(unnamed))
    eight = '[quorum]\nvoters = ["pi0", "pi1", "pi2", "pi3", "pi4", "pi5", "pi6", "pi7"]\n'
    assert "too many" in str(mistakes_of(crowd(8, eight).replace('"crowd"', '"crowd"\nepoch = 2')))


def test_a_hundred_nodes_are_not_too_many() -> None:
    assert len(load(crowd(100, '[quorum]\nvoters = ["pi1", "pi50", "pi99"]\n'), "home.toml").nodes) == 100


@pytest.mark.parametrize(
    ("subnet", "address", "helps"),
    [
        ("fd00::/64", "192.168.1.200", "is IPv6"),
        ("fd00::/64", "fd00::", "every router"),
        ("fd00::/64", "fd01::5", "outside network.subnet"),
    ],
)
def test_a_subnet_of_ipv6(subnet: str, address: str, helps: str) -> None:
    text = f'[cluster]\nname = "six"\n[network]\nsubnet = "{subnet}"\n[addresses.web]\naddress = "{address}"\n[nodes.pi1]\n'
    [mistake] = mistakes_of(text)
    assert mistake.key == "addresses.web.address"
    assert helps in str(mistake)
