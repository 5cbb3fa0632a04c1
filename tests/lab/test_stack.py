"""The files of the lab are read by the very code that the agents read theirs with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from picluster.agent.configuration import Mode, read_configuration
from picluster.errors import LabError
from picluster.lab.stack import FEWEST_PIS, MOST_PIS, Stack, write_files


@pytest.mark.parametrize("size", range(FEWEST_PIS, MOST_PIS + 1))
def test_every_agent_of_every_size_can_read_its_files(tmp_path: Path, size: int) -> None:
    stack = Stack(size)
    write_files(stack, tmp_path)
    read = [read_configuration(tmp_path / name / "agent.toml") for name in stack.names]
    assert [configuration.node.name for configuration in read] == list(stack.names)
    assert len({configuration.run_dir.resolve() for configuration in read}) == size
    assert {configuration.keyring for configuration in read} == {read[0].keyring}
    inventory = read[0].inventory
    assert all(node.address is None for node in inventory.nodes), "mDNS has to find them"
    assert inventory.configuration.voters == stack.voters
    assert len(stack.voters) % 2 == 1
    assert len(stack.voters) >= min(size - 1, 5)
    assert [str(floating.address) for floating in inventory.configuration.addresses] == list(stack.floating.values())


def test_on_one_host_each_node_has_a_port_and_the_address_too(tmp_path: Path) -> None:
    stack = Stack(3)
    lines = 'mode = "loopback"\nhosts = ["127.0.0.1"]\n[loopback]\nports = { web = 40000 }'
    write_files(stack, tmp_path, {"pi1": 40001, "pi2": 40002, "pi3": 40003}, dict.fromkeys(stack.names, lines))
    configuration = read_configuration(tmp_path / "pi2" / "agent.toml")
    assert (configuration.mode, configuration.loopback_ports) == (Mode.LOOPBACK, {"web": 40000})
    assert [node.port for node in configuration.inventory.nodes] == [40001, 40002, 40003]


def test_only_its_owner_may_read_the_key(tmp_path: Path) -> None:
    write_files(Stack(3), tmp_path)
    assert stat.S_IMODE((tmp_path / "cluster.key").stat().st_mode) == 0o600


def test_hardware_addresses_are_a_raspberry_pis_and_differ() -> None:
    macs = [pi.mac for pi in Stack(10).pis]
    assert len(set(macs)) == 10
    assert all(mac.startswith("dc:a6:32:") for mac in macs)


@pytest.mark.parametrize("size", [0, 2, 11])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(LabError, match="Name 3 to 10"):
        Stack(size)
