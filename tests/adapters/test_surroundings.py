"""What a machine finds around itself, on real networks made for it: mDNS, the default route, addresses that are taken."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from zeroconf import ServiceInfo, Zeroconf

from picluster.adapters.browser import browse
from picluster.adapters.links import Links
from picluster.adapters.namespaces import NetworkNamespace
from picluster.adapters.netlink import NLM_F_CREATE, Netlink, attribute
from picluster.adapters.surroundings import neighbours, occupied, time_zone, uplink
from picluster.discovery.records import Announcement
from picluster.errors import KernelError
from picluster.founding.hosts import KINDS
from picluster.lab.programs import environment
from picluster.model.inventory import Role
from picluster.model.surroundings import Service
from tests.adapters.isolation import isolated
from tests.patience import until

OWN, ROUTER = "10.77.0.9", "10.77.0.1"
PI, BOARD, BOX = "dc:a6:32:00:00:01", "b8:27:eb:00:00:02", "52:54:00:00:00:03"
PLACES = {PI: "10.77.0.11", BOARD: "10.77.0.12", BOX: "10.77.0.13"}
INVENTORY = '[cluster]\nname = "home"\n[nodes.pi1]\n'
DISCOVER = [sys.executable, "-m", "picluster.cli.main", "discover"]
RTM_NEWROUTE, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY = 24, 4, 5, 6
ROUTE = struct.Struct("=8BI")
"""struct rtmsg: family, lengths of target and source, service, table, protocol, scope, type; flags."""


@contextmanager
def switch_with_boards() -> Iterator[Mapping[str, NetworkNamespace]]:
    """This machine on a switch, and a board for each MAC."""
    with ExitStack() as stack:
        links = stack.enter_context(Links())
        links.up("lo")
        links.add_bridge("eth0")
        links.add_address("eth0", f"{OWN}/24")
        links.up("eth0")
        boards = {}
        for number, (mac, address) in enumerate(PLACES.items()):
            board = boards[mac] = stack.enter_context(NetworkNamespace.create())
            links.add_veth(f"port{number}", "eth0", peer_namespace=board, peer_mac=mac)
            links.attach(f"port{number}", "eth0")
            with Links(board) as inside:
                inside.add_address("eth0", f"{address}/24")
                inside.up("eth0")
        yield boards


@contextmanager
def announced(board: NetworkNamespace, mac: str, *services: ServiceInfo) -> Iterator[None]:
    with board.entered():
        responder = Zeroconf(interfaces=[PLACES[mac]])
    try:
        for service in services:
            responder.register_service(service, cooperating_responders=True)
        yield
    finally:
        responder.close()


def service(kind: str, instance: str, host: str, mac: str, text: dict[str, str] | None = None) -> ServiceInfo:
    kind = f"{kind}.local."
    name, server = f"{instance}.{kind}", f"{host}.local."
    return ServiceInfo(kind, name, port=22, properties=text or {}, server=server, parsed_addresses=[PLACES[mac]])


def agent(cluster: str, mac: str) -> ServiceInfo:
    """As an agent of that cluster announces itself."""
    said = Announcement(cluster, "pi1", Role.MEMBER, "0.1.0", 7, 7654)
    kind = f"{KINDS[-1]}.local."
    return ServiceInfo(
        kind, said.instance, port=said.port, properties=said.text, server=said.host, parsed_addresses=[PLACES[mac]]
    )


def heard_from(*hosts: str) -> list[Service]:
    """Listen until these are heard, for longer than a second at a time: what has just been said is not said again before
    (RFC 6762 section 6)."""
    heard: list[Service] = []

    def listen() -> None:
        heard[:] = browse(KINDS, 2.0)

    listen()
    until(lambda: {*hosts} <= {one.host for one in heard}, lambda: heard, meanwhile=listen)
    return heard


@isolated
def test_services_are_heard_with_their_addresses() -> None:
    with switch_with_boards() as boards:
        fresh = service("_workstation._tcp", f"raspberrypi [{BOARD}]", "raspberrypi", BOARD)
        box = service("_ssh._tcp", "box", "box", BOX, {"model": "Raspberry Pi 5", "serial": "10000000ABCDEF01"})
        with announced(boards[BOARD], BOARD, fresh), announced(boards[BOX], BOX, box):
            heard = {one.host: one for one in heard_from("raspberrypi.local", "box.local")}
    found = heard["raspberrypi.local"]
    assert (found.kind, found.instance, found.addresses) == (
        "_workstation._tcp",
        f"raspberrypi [{BOARD}]",
        (PLACES[BOARD],),
    )
    assert b"model=Raspberry Pi 5" in heard["box.local"].text


@isolated
def test_the_command_tells_the_fresh_from_ours_and_theirs() -> None:
    with switch_with_boards() as boards, tempfile.TemporaryDirectory() as place:
        inventory = Path(place, "home.toml")
        inventory.write_text(INVENTORY)
        pi1 = service("_workstation._tcp", f"pi1 [{PI}]", "pi1", PI)
        fresh = service("_workstation._tcp", f"raspberrypi [{BOARD}]", "raspberrypi", BOARD)
        box = service("_ssh._tcp", "box", "box", BOX)
        with (
            announced(boards[PI], PI, pi1, agent("home", PI)),
            announced(boards[BOARD], BOARD, fresh),
            announced(boards[BOX], BOX, box),
        ):
            heard_from("pi1.local", "raspberrypi.local", "box.local")
            table = discover("--inventory", str(inventory))
            theirs = discover("--json")
    assert table.returncode == 0, table.stderr
    heading, *rows = table.stdout.splitlines()
    assert heading.split() == ["name", "address", "MAC", "model", "serial", "what", "it", "is"]
    assert rows[0].split("  ")[0] == "pi1"
    assert rows[0].endswith("ours: pi1, member, version 0.1.0")
    assert rows[1].split() == ["raspberrypi", PLACES[BOARD], BOARD, "-", "-", "fresh"]
    assert rows[2:] == ["no Pis, as far as can be told: box"]
    told = json.loads(theirs.stdout)
    assert [(one["name"], one["standing"], one["cluster"], one["mac"]) for one in told["found"]] == [
        ("pi1", "foreign", "home", PI),
        ("raspberrypi", "fresh", "", BOARD),
    ]
    assert told["others"] == ["box"]


@isolated
def test_where_nobody_is_heard_the_command_says_so() -> None:
    with switch_with_boards():
        done = discover("--seconds", "0.3")
    assert (done.returncode, done.stderr) == (1, "")
    assert "no Pi was heard" in done.stdout


def discover(*words: str) -> subprocess.CompletedProcess[str]:
    command = [*DISCOVER, "--seconds", "2", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())


@isolated
def test_without_a_network_it_is_said_that_mdns_does_not_work() -> None:
    with pytest.raises(KernelError, match="multicast DNS does not work on this machine"):
        browse(KINDS, 0.1)


@isolated
def test_the_way_out_is_the_default_route_of_the_smallest_metric() -> None:
    assert uplink() is None
    with switch_with_boards():
        assert uplink() is None
        add_default_route(ROUTER, "eth0", metric=100)
        with Links() as links:
            links.add_bridge("wlan0")
            links.add_address("wlan0", "10.78.0.9/23")
            links.up("wlan0")
        add_default_route("10.78.1.1", "wlan0", metric=600)
        found = uplink()
        assert found is not None
        assert (found.interface, str(found.address), str(found.gateway)) == ("eth0", f"{OWN}/24", ROUTER)


def add_default_route(gateway: str, interface: str, metric: int) -> None:
    body = ROUTE.pack(socket.AF_INET, 0, 0, 0, 254, 4, 0, 1, 0)
    for kind, value in (
        (RTA_GATEWAY, socket.inet_aton(gateway)),
        (RTA_OIF, socket.if_nametoindex(interface).to_bytes(4, sys.byteorder)),
        (RTA_PRIORITY, metric.to_bytes(4, sys.byteorder)),
    ):
        body += attribute(kind, value)
    with Netlink(0) as route:
        route.ask(RTM_NEWROUTE, NLM_F_CREATE, body)


ASKED = [IPv4Address(last) for last in ("10.77.0.12", "10.77.0.13", "10.77.0.200", "10.77.0.201")]
TAKEN = frozenset(ASKED[:2])


@isolated
def test_addresses_that_somebody_has_are_found_by_asking() -> None:
    with switch_with_boards():
        assert occupied("eth0", ASKED, 0.6) == (TAKEN, True)
        assert not {one.address for one in neighbours()} & TAKEN, "a probe leaves no trace"


@isolated
def test_without_the_right_to_ask_the_kernel_is_made_to() -> None:
    with switch_with_boards():
        # On an interface that there is not, ARP is refused as it is without privileges.
        assert occupied("eth9", ASKED, 3.0) == (TAKEN, False)
        assert {one.mac for one in neighbours() if one.address in TAKEN} == {BOARD, BOX}


def test_this_machine_has_a_time_zone_or_none() -> None:
    zone = time_zone()
    assert zone is None or Path("/usr/share/zoneinfo", zone).exists()
