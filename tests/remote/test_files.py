"""Files, directories and links are put in place as a whole, once, and what stood there is remembered."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from picluster.provision.steps import Step, directory, link, remove, write
from picluster.remote.failure import Failure
from picluster.remote.files import beside
from picluster.remote.node import STATE
from tests.remote.stage import OWN, Pretended


def mode(place: Path) -> int:
    return stat.S_IMODE(place.lstat().st_mode)


def test_a_file_is_written_once(node: Pretended) -> None:
    step = write("/etc/app/app.conf", b"one = 1\n", mode=0o640, owner=OWN)
    assert node.do(step, step) == [True, False]
    assert node.do(step) == [False]
    place = node.at("/etc/app/app.conf")
    assert place.read_bytes() == b"one = 1\n"
    assert mode(place) == 0o640
    assert mode(place.parent) == 0o755
    assert [one.name for one in place.parent.iterdir()] == ["app.conf"]


def test_only_the_mode_is_changed_where_only_that_differs(node: Pretended) -> None:
    place = node.put("/etc/secret", "x", 0o644)
    before = place.stat().st_ino
    assert node.do(write("/etc/secret", b"x", mode=0o600, owner=OWN)) == [True]
    assert (mode(place), place.stat().st_ino) == (0o600, before)


def test_what_a_cut_left_beside_is_replaced(node: Pretended) -> None:
    node.put("/etc/.app.conf.picluster-new", "half a li")
    assert node.do(write("/etc/app.conf", b"whole", owner=OWN)) == [True]
    assert not beside(node.at("/etc/app.conf")).exists()


def test_a_link_is_replaced_by_the_file_and_not_followed(node: Pretended) -> None:
    node.put("/run/elsewhere", "mine")
    node.at("/etc/app.conf").symlink_to("../run/elsewhere")
    assert node.do(write("/etc/app.conf", b"new", owner=OWN)) == [True]
    assert not node.at("/etc/app.conf").is_symlink()
    assert node.at("/run/elsewhere").read_text() == "mine"


def test_links_change_in_one_step(node: Pretended) -> None:
    step = link("/opt/app", "/opt/app-2")
    assert node.do(link("/opt/app", "/opt/app-1"), step, step) == [True, True, False]
    assert os.fspath(node.at("/opt/app").readlink()) == "/opt/app-2"


def test_directories(node: Pretended) -> None:
    step = directory("/var/lib/app/data", mode=0o700, owner=OWN)
    assert node.do(step, step) == [True, False]
    assert mode(node.at("/var/lib/app/data")) == 0o700
    assert mode(node.at("/var/lib/app")) == 0o755


def test_files_are_removed_and_directories_where_they_are_empty(node: Pretended) -> None:
    node.put("/etc/app/app.conf", "mine")
    with pytest.raises(Failure, match="/etc/app cannot be removed: Directory not empty"):
        node.do(remove("/etc/app"))
    assert node.do(remove("/etc/app/app.conf"), remove("/etc/app/app.conf"), remove("/etc/app")) == [True, False, True]
    assert not node.at("/etc/app").exists()


@pytest.mark.parametrize("step", [write("/opt", b"x", owner=OWN), link("/opt", "/srv")])
def test_a_directory_is_never_replaced(node: Pretended, step: Step) -> None:
    with pytest.raises(Failure, match="/opt is a directory"):
        node.do(step)
    assert node.at("/opt").is_dir()


def test_an_owner_that_is_not_there_is_named_and_nothing_has_changed(node: Pretended) -> None:
    with pytest.raises(Failure, match="no user 'nobody-here'"):
        node.do(write("/etc/app.conf", b"x", owner="nobody-here:root"))
    assert not node.at("/etc/app.conf").exists()
    assert not node.at(STATE).exists()


@pytest.mark.parametrize("path", ["etc/app", "/etc/../app", ""])
def test_only_absolute_paths_are_taken(node: Pretended, path: str) -> None:
    with pytest.raises(Failure, match="no absolute path"):
        node.do(write(path, b"x", owner=OWN))


def test_what_is_kept_is_for_root_alone(node: Pretended) -> None:
    node.put("/etc/key", "secret", 0o600)
    node.do(write("/etc/key", b"other", mode=0o600, owner=OWN))
    state = node.at(STATE)
    assert mode(state) == 0o700
    kept = [place for place in state.rglob("*") if place.is_file()]
    assert {mode(place) for place in kept} == {0o600}
    assert b"secret" in {place.read_bytes() for place in kept}
