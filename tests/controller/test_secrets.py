"""The secrets of a cluster: made once, private, completed where something is missing, and refused where others may look."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from picluster.adapters.ssh_keys import make_key_pair
from picluster.controller.secrets import make_secrets, open_secrets
from picluster.errors import PiclusterError
from picluster.wire import Keyring

NODES = ("pi1", "pi2")


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return tmp_path / "home.toml"


def made(inventory: Path) -> list[str]:
    place = inventory.with_suffix(".secrets")
    return [str(path.relative_to(place)) for path in make_secrets(inventory, NODES, Keyring.fresh, make_key_pair)]


def test_all_is_made_and_nobody_else_may_read_it(inventory: Path) -> None:
    assert made(inventory) == [
        *(".gitignore", "cluster.key", "controller.pub", "controller"),
        *("hosts/pi1.pub", "hosts/pi1", "hosts/pi2.pub", "hosts/pi2"),
    ]
    place = inventory.with_suffix(".secrets")
    for path in (place, *place.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    secrets = open_secrets(inventory)
    assert Keyring.parse(secrets.cluster_key().decode(), "cluster.key").ids
    key = secrets.host_key("pi1")
    assert key is not None
    assert key.text in Path(f"{secrets.host_key_path('pi1')}.pub").read_text()
    assert secrets.host_key("pi9") is None


def test_what_is_there_is_kept_and_what_is_missing_is_made(inventory: Path) -> None:
    made(inventory)
    secrets = open_secrets(inventory)
    before = secrets.cluster_key(), secrets.host_key("pi1")
    secrets.host_key_path("pi2").unlink()  # a cut has left half a pair
    assert made(inventory) == ["hosts/pi2.pub", "hosts/pi2"]
    assert made(inventory) == []
    assert (secrets.cluster_key(), secrets.host_key("pi1")) == before


def test_missing_ones_say_how_to_make_them(inventory: Path) -> None:
    with pytest.raises(PiclusterError, match="make them with `picluster new home`"):
        open_secrets(inventory)
    made(inventory)
    open_secrets(inventory).controller_key_path.unlink()
    with pytest.raises(PiclusterError, match="makes what is missing"):
        open_secrets(inventory)


@pytest.mark.parametrize(("name", "mode"), [("", 0o750), ("cluster.key", 0o640), ("controller", 0o604)])
def test_what_others_may_read_is_refused(inventory: Path, name: str, mode: int) -> None:
    made(inventory)
    path = inventory.with_suffix(".secrets") / name
    path.chmod(mode)
    with pytest.raises(PiclusterError, match="chmod"):
        open_secrets(inventory)


def test_what_is_no_key_is_named(inventory: Path) -> None:
    made(inventory)
    secrets = open_secrets(inventory)
    Path(f"{secrets.host_key_path('pi1')}.pub").write_text("nonsense")
    with pytest.raises(PiclusterError, match=r"pi1\.pub is no public key"):
        secrets.host_key("pi1")
