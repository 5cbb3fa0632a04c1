"""`picluster new`, as a person calls it: by options, by answers, and by what is found on a network that was made for it."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from picluster.adapters.links import Links
from picluster.controller.secrets import open_secrets
from picluster.inventory import load
from picluster.lab.programs import environment
from tests.adapters.isolation import isolated
from tests.adapters.surroundings_scene import (
    BOARD,
    BOX,
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

PICLUSTER = (sys.executable, "-m", "picluster.cli.main")
ANSWERS = ["192.168.1.0/24", "192.168.1.1", "pi1 pi2=192.168.1.22 pi3", "192.168.1.200", "admin", "Europe/Berlin"]


def new(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*PICLUSTER, "new", *words, "--no-look"]
    return subprocess.run(
        command, cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60
    )


def test_what_is_said_needs_no_question(tmp_path: Path) -> None:
    done = new(tmp_path, "home", "--nodes", "3", "--witness", "nas", "--address", "web=192.168.1.200", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    path = tmp_path / told["inventory"]
    inventory = load(path.read_text(), str(path))
    assert inventory.node_names == ("pi1", "pi2", "pi3", "nas")
    secrets = open_secrets(path)
    assert all(secrets.host_key(name) is not None for name in inventory.node_names)
    assert stat.S_IMODE(secrets.directory.stat().st_mode) == 0o700
    # Again: nothing is changed, and what was lost is made.
    before, key = path.read_bytes(), secrets.cluster_key()
    path.with_suffix(".secrets").joinpath("hosts", "pi2").unlink()
    again = new(tmp_path, "home", "--nodes", "5", "--yes")
    assert again.returncode == 0, again.stderr
    assert "is there already and is kept" in again.stderr
    assert (path.read_bytes(), secrets.cluster_key()) == (before, key)
    assert secrets.host_key_path("pi2").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = new(tmp_path, "home", "--nodes", "3", "--address", "web=192.168.1.200", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert load(done.stdout, "home.toml").cluster == "home"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["home", "--nodes", "3"], "--yes"),
        (["home", "--node", "pi one", "--yes"], "pi one"),
        (["../home", "--yes"], "cannot be a cluster's name"),
        (["home", "--voters", "pi9", "--yes"], "pi9"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(tmp_path: Path, words: list[str], said: str) -> None:
    done = new(tmp_path, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--subnet", "192.168.1.0/24"], "Say --node pi1 --node pi2 --node pi3 --address web=192.168.1.253; or --yes"),
        (["--nodes", "3"], "Say --address …; or --yes"),
    ],
)
def test_without_a_terminal_it_is_said_what_is_missing(tmp_path: Path, words: list[str], said: str) -> None:
    done = new(tmp_path, "home", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    named = new(tmp_path, "home", "--node", "pi1", "--address", "192.168.1.200")
    assert named.returncode == 0, named.stderr


def conversation(place: Path, answers: list[str], *words: str) -> tuple[int, str, str]:
    """The exit code, the output, and what the terminal has shown."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*PICLUSTER, "new", "home", "--no-look", *words],
        cwd=place,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    shown: list[bytes] = []
    reader = threading.Thread(target=drain, args=(ours, shown), daemon=True)
    reader.start()
    output, _ = child.communicate(timeout=60)
    reader.join(timeout=10)
    os.close(ours)
    return child.returncode, output, b"".join(shown).decode()


def test_a_person_is_asked(tmp_path: Path) -> None:
    code, output, shown = conversation(tmp_path, ANSWERS)
    assert code == 0, shown
    assert "Your home network" in shown
    assert "picluster up home.toml" in output
    inventory = load((tmp_path / "home.toml").read_text(), "home.toml")
    assert [str(node.address or "") for node in inventory.nodes] == ["", "192.168.1.22", ""]
    assert [str(floating.address) for floating in inventory.configuration.addresses] == ["192.168.1.200"]
    assert inventory.system.time_zone == "Europe/Berlin"


def test_what_is_wrong_is_told_at_once_and_asked_again(tmp_path: Path) -> None:
    answers = ["192.168.1.0", "192.168.1.0/24", "10.0.0.1", "192.168.1.1", "Pi1", "", "192.168.1.999", "", "", ""]
    code, _, shown = conversation(tmp_path, answers)
    assert code == 0, shown
    for sentence in ("lacks its prefix length", "outside network.subnet", "Write pi1", "is no IP address"):
        assert sentence in shown
    inventory = load((tmp_path / "home.toml").read_text(), "home.toml")
    assert inventory.node_names == ("pi1", "pi2", "pi3")
    assert [str(floating.address) for floating in inventory.configuration.addresses] == ["192.168.1.253"]


def test_what_options_have_said_is_not_asked_and_two_pis_are_asked_for_a_third(tmp_path: Path) -> None:
    words = ["--node", "pi1", "--node", "pi2", "--subnet", "10.0.0.0/24", "--user", "me", "--time-zone", "UTC"]
    code, _, shown = conversation(tmp_path, ["10.0.0.1", "nas=10.0.0.5", "dns=10.0.0.200"], *words)
    assert code == 0, shown
    assert "A third machine that only votes" in shown
    assert "Your home network" not in shown
    inventory = load((tmp_path / "home.toml").read_text(), "home.toml")
    assert [(node.name, node.role.value) for node in inventory.nodes] == [
        ("pi1", "member"),
        ("pi2", "member"),
        ("nas", "witness"),
    ]
    assert inventory.nodes[0].access.user == "me"


def test_a_terminal_that_says_the_same_for_ever_is_given_up(tmp_path: Path) -> None:
    code, _, shown = conversation(tmp_path, ["nonsense"] * 9)
    assert code == 2
    assert 'picluster new: "nonsense" is no subnet' in shown
    assert list(tmp_path.iterdir()) == []


@isolated
@pytest.mark.scenario
def test_what_is_found_on_the_network_is_proposed() -> None:
    with switch_with_boards() as boards, tempfile.TemporaryDirectory() as place:
        add_default_route(ROUTER, "eth0", metric=100)
        pi = service("_workstation._tcp", f"attic [{PI}]", "attic", PI)
        fresh = service("_workstation._tcp", f"raspberrypi [{BOARD}]", "raspberrypi", BOARD)
        box = service("_ssh._tcp", "box", "box", BOX)
        with Links(boards[BOX]) as links:
            links.add_address("eth0", "10.77.0.253/32")
        with (
            announced(boards[PI], PI, pi),
            announced(boards[BOARD], BOARD, fresh),
            announced(boards[BOX], BOX, box, agent("office", BOX)),
        ):
            heard_from("attic.local", "raspberrypi.local", "box.local")
            command = [*PICLUSTER, "new", "home", "--nodes", "3", "--yes", "--directory", place]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())
        assert done.returncode == 0, done.stderr
        inventory = load(Path(place, "home.toml").read_text(), "home.toml")
    assert [(node.name, str(node.address or "")) for node in inventory.nodes] == [
        ("attic", ""),
        ("pi1", PLACES[BOARD]),
        ("pi2", ""),
    ]
    assert (str(inventory.subnet), str(inventory.gateway)) == ("10.77.0.0/24", ROUTER)
    assert [str(floating.address) for floating in inventory.configuration.addresses] == ["10.77.0.252"]
    assert f"left out: {PLACES[BOX]}, on which the agent of pi1 of cluster office runs" in done.stderr
    assert "nobody has 10.77.0.252 (asked by ARP)" in done.stderr


def drain(terminal: int, shown: list[bytes]) -> None:
    """What is written there, until nobody writes any more (Linux says EIO then)."""
    try:
        while data := os.read(terminal, 4_096):
            shown.append(data)
    except OSError:
        return
