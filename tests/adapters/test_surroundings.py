"""What a machine finds around itself, on real networks made for it: mDNS, the default route, addresses that are taken."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from picluster.adapters.browser import browse
from picluster.adapters.links import Links
from picluster.adapters.surroundings import neighbours, occupied, time_zone, uplink
from picluster.errors import KernelError
from picluster.founding.hosts import KINDS
from picluster.lab.programs import environment
from tests.adapters.isolation import isolated
from tests.adapters.surroundings_scene import (
    BOARD,
    BOX,
    OWN,
    PI,
    PLACES,
    ROUTER,
    add_default_route,
    agent,
    announced,
    heard_from,
    service,
    switch_with_boards,
)

INVENTORY = '[cluster]\nname = "home"\n[nodes.pi1]\n'
DISCOVER = [sys.executable, "-m", "picluster.cli.main", "discover"]


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
@pytest.mark.scenario
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
