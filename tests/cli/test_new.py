"""`picluster new`, as a person calls it; nothing here looks around on a network."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from picluster.controller.secrets import open_secrets
from picluster.inventory import load

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


def test_a_person_is_asked(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*PICLUSTER, "new", "home", "--no-look"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in ANSWERS).encode())
    shown: list[bytes] = []
    reader = threading.Thread(target=drain, args=(ours, shown), daemon=True)
    reader.start()
    output, _ = child.communicate(timeout=60)
    reader.join(timeout=10)
    os.close(ours)
    assert child.returncode == 0, b"".join(shown)
    assert "Your home network" in b"".join(shown).decode()
    assert "picluster up home.toml" in output
    inventory = load((tmp_path / "home.toml").read_text(), "home.toml")
    assert [str(node.address or "") for node in inventory.nodes] == ["", "192.168.1.22", ""]
    assert [str(floating.address) for floating in inventory.configuration.addresses] == ["192.168.1.200"]
    assert inventory.system.time_zone == "Europe/Berlin"


def drain(terminal: int, shown: list[bytes]) -> None:
    """What is written there, until nobody writes any more (Linux says EIO then)."""
    try:
        while data := os.read(terminal, 4_096):
            shown.append(data)
    except OSError:
        return
