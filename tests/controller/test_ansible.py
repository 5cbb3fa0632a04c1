"""What Ansible is told of an inventory, by its conventions; and where it is installed, whether it takes that for one."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from picluster.controller.ansible import Way, groups_of, listing, variables
from picluster.model.inventory import Candidate, Inventory, Node, Role
from tests.controller.shells import inventory_of


def home() -> Inventory:
    """pi1 and pi2 vote and hold, nas only votes, pi4 does neither."""
    pis = inventory_of("pi1", "pi2")
    [web] = pis.configuration.addresses
    web = replace(web, candidates=(Candidate("pi1"), Candidate("pi2")))
    configuration = replace(pis.configuration, voters=("pi1", "pi2", "nas"), addresses=(web,))
    return replace(pis, nodes=(*pis.nodes, Node("nas", Role.WITNESS), Node("pi4")), configuration=configuration)


def way(node: str, directory: Path = Path("/home/anna")) -> Way:
    return Way(f"{node}.local", 2222, "pi", f"{directory}/controller", f"{directory}/my secrets/known_hosts", ("anna@gate",))


def ways(directory: Path = Path("/home/anna")) -> dict[str, Way]:
    return {name: way(name, directory) for name in home().node_names}


def test_the_groups_say_who_votes_and_who_may_hold() -> None:
    assert groups_of(home()) == {
        "voters": ("pi1", "pi2", "nas"),
        "witnesses": ("nas",),
        "candidates": ("pi1", "pi2"),
    }


def test_a_listing_has_all_hosts_and_their_variables() -> None:
    told = listing(home(), ways())
    assert told["all"] == {"hosts": ["pi1", "pi2", "nas", "pi4"], "children": ["voters", "witnesses", "candidates"]}
    assert told["voters"] == {"hosts": ["pi1", "pi2", "nas"]}
    assert told["_meta"]["hostvars"]["pi4"] == variables("pi4", way("pi4"))


def test_a_host_is_got_into_as_strictly_as_by_picluster_itself() -> None:
    told = variables("pi1", way("pi1"))
    assert (told["ansible_host"], told["ansible_port"], told["ansible_user"]) == ("pi1.local", 2222, "pi")
    assert told["ansible_ssh_private_key_file"] == "/home/anna/controller"
    options = options_of(told)
    assert {"StrictHostKeyChecking=yes", "HostKeyAlias=pi1", "ProxyJump=anna@gate"} <= options
    assert 'UserKnownHostsFile="/home/anna/my secrets/known_hosts"' in options


def options_of(told: dict[str, Any]) -> set[str]:
    words = shlex.split(told["ansible_ssh_common_args"])
    assert set(words[::2]) == {"-o"}
    return set(words[1::2])


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed")
def test_openssh_understands_the_options(tmp_path: Path) -> None:
    odd = tmp_path / "100% odd"
    told = variables("pi1", way("pi1", odd))
    words = shlex.split(str(told["ansible_ssh_common_args"]))
    done = subprocess.run(["ssh", "-G", *words, "pi1"], capture_output=True, text=True, timeout=30, check=True)
    assert f"userknownhostsfile {odd}/my secrets/known_hosts" in done.stdout.replace('"', "")
    assert "stricthostkeychecking true" in done.stdout
    assert "hostkeyalias pi1" in done.stdout


@pytest.mark.skipif(shutil.which("ansible-inventory") is None, reason="ansible-core is not installed (ansible-inventory)")
def test_ansible_takes_it_for_an_inventory(tmp_path: Path) -> None:
    (tmp_path / "listing.json").write_text(json.dumps(listing(home(), ways())))
    script = tmp_path / "pis.sh"
    script.write_text(f"#!/bin/sh\nexec cat {tmp_path}/listing.json\n")
    script.chmod(0o755)

    def asked(*words: str) -> Any:
        environment = {**os.environ, "ANSIBLE_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        command = ["ansible-inventory", "-i", str(script), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
        assert "WARNING" not in done.stderr
        return json.loads(done.stdout)

    told = asked("--list")
    assert told["voters"]["hosts"] == ["pi1", "pi2", "nas"]
    assert told["candidates"]["hosts"] == ["pi1", "pi2"]
    assert told["witnesses"]["hosts"] == ["nas"]
    assert asked("--host", "pi4") == variables("pi4", way("pi4"))
