"""What cannot be done, and what to do about it; and what is no obstacle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from picluster.provision.facts import AgentFact, Facts, FileFact
from tests.provision.nodes import BOOKWORM, CLUSTER, NOW_S, TRIXIE, a_file, obey, plan

SERIAL = replace(CLUSTER, nodes=tuple(replace(one, serial="10000000abcdef01") for one in CLUSTER.nodes))


@pytest.mark.parametrize(
    ("different", "told"),
    [
        ({"system": "fedora"}, "it runs fedora. Give it Raspberry Pi OS, Debian or Ubuntu"),
        ({"system": ""}, "an unknown system"),
        ({"python": "3.9.2"}, "its Python is 3.9.2, and picluster needs 3.11 or newer"),
        ({"python": ""}, "it has no python3"),
        ({"read_only": True}, "its root file system is read-only. Look why (dmesg)"),
        ({"free_bytes": 3_000_000}, "its disk is too full: 3 MB are free, and this takes up to 72 MB"),
        ({"agent": AgentFact("1", "pi1", "office", 3, "")}, "it belongs to the cluster office"),
        ({"agent": AgentFact("1", "pi2", "home", 3, "")}, "it runs as pi2, not as pi1"),
        ({"agent": AgentFact("1", "pi1", "home", 4, "")}, "it lives by epoch 4 of the inventory, and this one is epoch 3"),
    ],
)
def test_an_obstacle_says_what_to_do(different: dict[str, Any], told: str) -> None:
    found = plan("pi1", replace(BOOKWORM, **different))
    assert told in found.problem
    assert ". " in found.problem or ": " in found.problem
    assert found.changes == ()


def test_the_card_of_another_board() -> None:
    assert plan("pi1", BOOKWORM, inventory=SERIAL).problem == ""
    assert plan("pi1", replace(BOOKWORM, serial="0010000000ABCDEF01"), inventory=SERIAL).problem == ""
    other = plan("pi1", replace(BOOKWORM, serial="10000000deadbeef"), inventory=SERIAL)
    assert "has the serial number 10000000deadbeef, and the inventory says 10000000abcdef01" in other.problem
    assert plan("pi1", replace(BOOKWORM, serial=""), inventory=SERIAL).problem == "", (
        "a PC may have none; the agent does not mind"
    )


def test_a_file_that_cannot_be_edited_is_an_obstacle() -> None:
    facts = replace(TRIXIE, files={**TRIXIE.files, "/home/pi/.ssh/authorized_keys": FileFact("ab", 0o600, "pi:pi")})
    assert "/home/pi/.ssh/authorized_keys is no text" in plan("pi1", facts).problem


def test_a_full_disk_is_none_where_nothing_is_to_be_done() -> None:
    rebooted = {"/sys/fs/cgroup/cgroup.controllers": a_file("memory\n")}
    after = obey(TRIXIE, plan("pi1", TRIXIE).steps)
    found = plan("pi1", replace(after, files={**after.files, **rebooted}, free_bytes=0))
    assert (found.problem, found.changes) == ("", ())


def test_what_can_be_mended_or_waited_for_is_no_obstacle() -> None:
    found = plan("pi1", replace(TRIXIE, packages_broken=True, package_lock="unattended-upgrades (1234)"))
    assert found.problem == ""
    assert any("unattended-upgrades (1234) is busy" in note for note in found.notes)
    assert plan("pi1", replace(TRIXIE, clock_s=0.0, synchronised=False)).problem == ""


@pytest.mark.parametrize(
    ("different", "told"),
    [
        ({"clock_s": NOW_S + 7_200}, "so this machine's is 2 hours behind: set it"),
        ({"cloud_init": "running"}, "cloud-init is still at work"),
        ({"cloud_init": "error"}, "cloud-init has failed there"),
        ({"reboot_required": True}, "asks for a reboot"),
    ],
)
def test_notes(different: dict[str, Any], told: str) -> None:
    facts: Facts = replace(TRIXIE, **different)
    assert [note for note in plan("pi1", facts).notes if told in note]
    assert plan("pi1", TRIXIE).notes == ()
