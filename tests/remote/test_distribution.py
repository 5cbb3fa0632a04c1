"""Packages: who has the lock, what was left half-way, whether lists are worth anything, and what came with what."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from picluster.provision.steps import packages
from picluster.remote.distribution import install, remove_packages
from picluster.remote.dpkg import Packages, holder_of_lock
from picluster.remote.failure import Failure
from picluster.remote.node import STATE
from picluster.remote.work import Work
from tests.remote.stage import Pretended

LOCK = "/var/lib/dpkg/lock-frontend"
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", HOLD, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield process
        process.stdin.close()


def noted(node: Pretended) -> list[str]:
    return [entry["name"] for entry in node.work().manifest.entries if entry["kind"] == "package"]


def test_packages_are_installed_once_and_all_that_came_is_noted(node: Pretended) -> None:
    assert node.do(packages(["nftables"]), packages(["nftables", "libc6"])) == [True, False]
    assert node.log == ["apt-get update", "apt-get install nftables"]
    assert noted(node) == ["libnftables1", "nftables"]
    assert "Setting up nftables ..." in node.said


def test_fresh_lists_are_fetched_again_only_where_they_lack_something(node: Pretended) -> None:
    node.put("/var/lib/apt/lists/main_Packages", "zsh\n")
    node.do(packages(["zsh"]))
    assert node.log == ["apt-get install zsh"]
    node.do(packages(["nftables"]))
    assert node.log[1:] == ["apt-get install nftables", "apt-get update", "apt-get install nftables"]


def test_old_lists_are_fetched_again(node: Pretended) -> None:
    node.put("/var/lib/apt/lists/main_Packages", "zsh\n")
    long_ago = time.time() - 2 * 86_400
    os.utime(node.at("/var/lib/apt/lists"), (long_ago, long_ago))
    node.do(packages(["zsh"]))
    assert node.log == ["apt-get update", "apt-get install zsh"]


def test_a_package_that_is_nowhere_is_told_in_apts_words(node: Pretended) -> None:
    with pytest.raises(Failure, match="Unable to locate package nothing"):
        node.do(packages(["nothing"]))
    assert node.log.count("apt-get update") == 1


def test_what_apt_was_about_to_do_when_it_was_cut_is_known(node: Pretended) -> None:
    (node.home / "cut").touch()
    with pytest.raises(Failure, match="apt-get"):
        node.do(packages(["nftables"]))
    assert noted(node) == ["libnftables1", "nftables"]
    assert not node.at(f"{STATE}/incoming").exists()


def test_what_a_cut_run_has_not_read_is_read_by_the_next(node: Pretended) -> None:
    node.do(packages(["zsh"]))
    node.put(f"{STATE}/incoming", "VERSION 2\nA=b\n\nlate - < 1.0 /late.deb\n")
    assert node.do(packages(["zsh"])) == [False]
    assert noted(node) == ["zsh", "late"]


def test_a_dpkg_that_was_cut_off_is_mended_first(node: Pretended) -> None:
    node.put("/var/lib/dpkg/updates/0001", "")
    assert Packages(node.node()).broken
    assert node.do(packages(["zsh"]), packages(["zsh"])) == [True, False]
    assert node.log == ["dpkg --force-confold --configure -a", "apt-get update", "apt-get install zsh"]


def test_a_half_configured_package_counts_as_broken(node: Pretended) -> None:
    with (node.home / "status").open("a") as file:
        file.write("half-configured\tlinux-image\t6.1\tamd64\nconfig-files\tgone\t1\tamd64\n")
    assert Packages(node.node()).broken
    assert node.do(packages(["libc6"])) == [True]
    assert not Packages(node.node()).broken


def test_whoever_has_the_lock_is_named_and_waited_for(node: Pretended) -> None:
    place = node.put(LOCK, "")
    assert holder_of_lock(node.node()) == ""
    with held(place) as process:
        node.put(f"/proc/{process.pid}/comm", "unattended-upgr\n")

        def released(text: str) -> None:
            node.waited.append(text)
            assert process.stdin is not None
            process.stdin.close()

        work = Work(node.node(), node.said.append, released, lambda: False)
        assert install(work, {"names": ["zsh"]})
        assert node.waited == [f"unattended-upgr (process {process.pid}) has dpkg's lock"]


def test_nobody_waits_for_a_lock_in_vain_when_the_controller_is_gone(node: Pretended) -> None:
    with held(node.put(LOCK, "")):
        work = Work(node.node(), node.said.append, node.waited.append, lambda: True)
        with pytest.raises(Failure, match="the connection ended while waiting"):
            install(work, {"names": ["zsh"]})
    assert node.log == []


def test_a_lock_of_ones_own_process_is_none(node: Pretended) -> None:
    """POSIX locks exclude others only, and apt's is asked about by nobody else."""
    with node.put(LOCK, "").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert holder_of_lock(node.node()) == ""


def test_what_others_need_by_now_stays(node: Pretended) -> None:
    node.do(packages(["nftables"]))
    (node.home / "needed").write_text("libnftables1")
    entries = [entry for entry in node.work().manifest.entries if entry["kind"] == "package"]
    assert remove_packages(node.work(), entries)
    assert "the package libnftables1 stays: others need it" in node.said
    assert "nftables" not in Packages(node.node()).installed
    assert not remove_packages(node.work(), [entry for entry in entries if entry["name"] == "nftables"])
