"""The peers' configurations are ones that they take, and say what a setting is about."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise, product
from xml.etree import ElementTree

import pytest

from benchmarks.systems.keepalived import configuration
from benchmarks.systems.machines import OneAddress
from benchmarks.systems.pacemaker import CIB, corosync_conf
from picluster.adapters.links import Links
from picluster.lab.mode import memory_place
from picluster.lab.stack import MOST_PIS
from tests.adapters.isolation import isolated


@pytest.mark.skipif(shutil.which("keepalived") is None, reason="keepalived is not installed: apt-get install keepalived")
@isolated
def test_keepalived_finds_nothing_wrong_with_its_configuration() -> None:
    file = memory_place() / "keepalived.conf"
    with Links() as links:
        links.add_veth("port", "eth0")
    for advert_s, number in product((1.0, 0.1, 0.01), (1, MOST_PIS)):
        file.write_text(configuration("pi1", number, advert_s), encoding="ascii")
        checked = subprocess.run(["keepalived", "--config-test", "--use-file", file], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_only_parts_of_a_second_take_version_3_of_the_protocol() -> None:
    assert "vrrp_version 3" in configuration("pi1", 1, 0.1)
    assert "vrrp_version" not in configuration("pi1", 1, 1.0)
    assert "advert_int 0.01\n" in configuration("pi1", 1, 0.01)


def test_priorities_are_far_apart() -> None:
    priorities = [
        int(configuration("pi", number, 1.0).split("priority ")[1].split()[0]) for number in range(1, MOST_PIS + 1)
    ]
    assert all(one - other == 20 for one, other in pairwise(priorities))
    assert priorities[-1] > 0


def test_corosync_knows_every_node_and_its_token_only_where_a_setting_names_it() -> None:
    stack = OneAddress(3)
    default, quick = corosync_conf(stack, None), corosync_conf(stack, 300)
    assert [line.split()[1] for line in default.splitlines() if "ring0_addr" in line] == [
        "10.77.0.11",
        "10.77.0.12",
        "10.77.0.13",
    ]
    assert "token" not in default
    assert "token: 300" in quick
    assert default.count("{") == default.count("}")


def test_the_clusters_configuration_holds_the_one_floating_address() -> None:
    (address,) = [one.get("value") for one in ElementTree.fromstring(CIB).iter("nvpair") if one.get("name") == "ip"]  # noqa: S314
    assert address == OneAddress(10).floating["web"]
    assert len(OneAddress(10).floating) == 1
