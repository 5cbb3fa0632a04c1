"""Nodes that come and go, as far as that shows without one that answers: what is written, what is refused, what is said.

Agents that answer are in `tests/controller`; a real sshd is in `tests/machines`.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.adapters.ssh_keys import make_key_pair
from picluster.controller.secrets import Secrets, make_secrets
from picluster.inventory import load
from picluster.trust.host_key import HostKey
from picluster.trust.known_hosts import KnownHosts
from picluster.wire import Keyring
from tests.cli.test_controlling import in_directory

NAMES = ("pi1", "pi2", "pi3")


@pytest.fixture
def port() -> Iterator[int]:
    """Where nobody listens, and nobody can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def home(tmp_path: Path, port: int) -> Path:
    """An inventory of three nodes that do not answer, with its secrets."""
    nodes = "".join(f'[nodes.{name}]\naddress = "127.0.0.1"\nport = {7000 + n}\n' for n, name in enumerate(NAMES))
    path = tmp_path / "home.toml"
    path.write_text(
        f'# My words.\n[cluster]\nname = "home"\n[access]\nport = {port}\n[addresses.web]\naddress = "192.0.2.50"\n{nodes}'
    )
    make_secrets(path, NAMES, Keyring.fresh, make_key_pair)
    return path


def picluster(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return in_directory(home.parent, *words, HOME=str(home.parent))


@pytest.mark.scenario
def test_a_node_is_written_down_though_nobody_answers_and_the_next_run_goes_on(home: Path) -> None:
    before = home.read_text()
    done = picluster(home, "node", "add", "pi4", "--address", "127.0.0.1", "--voter", "--yes")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "pi4 is in home.toml, and not set up. It does not vote yet." in done.stderr
    assert "pi1 gets it with the next `picluster up`" in done.stderr
    inventory = load(home.read_text(), "home.toml")
    assert inventory.node_names == (*NAMES, "pi4")
    assert inventory.configuration.voters == NAMES
    assert "# My words." in home.read_text()
    assert (home.parent / "home.toml.old").read_text() == before
    host_key = Secrets(home.with_suffix(".secrets")).host_key("pi4")
    assert host_key is not None
    again = picluster(home, "node", "add", "pi4", "--voter", "--yes")
    assert again.returncode == 2
    assert Secrets(home.with_suffix(".secrets")).host_key("pi4") == host_key


def test_no_voter_goes_where_nobody_lives_by_it(home: Path) -> None:
    before = home.read_text()
    done = picluster(home, "node", "remove", "pi3", "--yes")
    assert done.returncode == 2
    assert "Nothing was changed" in done.stderr
    assert home.read_text() == before


def test_who_does_not_vote_goes_all_the_same_with_its_keys(home: Path) -> None:
    home.write_text(
        home.read_text() + '[nodes.pi4]\naddress = "127.0.0.1"\nport = 7009\n[quorum]\nvoters = ["pi1", "pi2", "pi3"]\n'
    )
    make_secrets(home, ["pi4"], Keyring.fresh, make_key_pair)
    done = picluster(home, "node", "remove", "pi4", "--yes")
    assert done.returncode == 1, "nobody knows of it yet"
    assert load(home.read_text(), "home.toml").node_names == NAMES
    assert Secrets(home.with_suffix(".secrets")).host_key("pi4") is None


@pytest.mark.scenario
def test_without_a_terminal_nothing_is_done_unless_somebody_said_so(home: Path) -> None:
    before = home.read_text()
    for words in (["add", "pi4"], ["remove", "pi3"], ["replace", "pi3"]):
        done = picluster(home, "node", *words)
        assert done.returncode == 2
        assert "--yes" in done.stderr
    assert home.read_text() == before


@pytest.mark.scenario
def test_a_key_is_not_changed_where_a_node_is_not_reached(home: Path) -> None:
    key = Secrets(home.with_suffix(".secrets")).cluster_key_path
    before = key.read_text()
    done = picluster(home, "key", "rotate", "--yes")
    assert done.returncode == 2
    assert "one that is left out would be deaf" in done.stderr
    assert key.read_text() == before
    assert before.splitlines()[1] not in done.stderr


def test_a_host_key_is_forgotten_and_no_other(home: Path) -> None:
    known = Secrets(home.with_suffix(".secrets")).known_hosts_path
    hosts = KnownHosts()
    for name in ("pi1", "pi2"):
        hosts = hosts.add(name, HostKey.parse(make_key_pair(name)[1]))
    known.write_text(hosts.text)
    done = picluster(home, "forget-host", "pi1")
    assert (done.returncode, done.stdout) == (0, "pi1 is known by no host key now\n")
    assert known.read_text() == hosts.forget("pi1").text
    again = picluster(home, "forget-host", "pi1")
    assert again.stdout == "pi1 was known by no host key\n"


@pytest.mark.scenario
def test_verbs_of_this_node_reach_others_by_name(home: Path) -> None:
    for words in (["standby", "pi2"], ["active", "pi2"], ["move", "web", "--to", "pi2", "-i", "home.toml"]):
        done = picluster(home, *words)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert "web is held by nobody" in done.stderr
