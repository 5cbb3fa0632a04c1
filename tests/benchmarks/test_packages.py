"""Which packages are missing, and how they come without starting what is in them."""

from __future__ import annotations

from benchmarks import packages
from benchmarks.systems import SYSTEMS, System, system


def needing(program: str, package: str) -> System:
    return System("made-up", "made up", system("ucarp").make, needs={program: package, "sh": "dash"})


def test_what_is_there_is_not_missing_and_what_is_missing_is_named_once() -> None:
    absent = needing("no-such-program", "no-such-package")
    assert packages.missing([absent, absent]) == ["no-such-package"]
    assert not packages.playable(absent)
    assert packages.playable(needing("sh", "dash"))


def test_picluster_needs_no_package() -> None:
    assert all(packages.playable(one) for one in SYSTEMS if one.is_ours)


def test_where_systemd_runs_a_unit_is_masked_while_its_package_is_installed_and_disabled_after_that() -> None:
    mask, _, install, unmask, disable = packages.commands(["corosync", "resource-agents"], systemd=True)
    assert mask == ["systemctl", "mask", "--runtime", "corosync.service"]
    assert install[-2:] == ["corosync", "resource-agents"]
    assert unmask == ["systemctl", "unmask", "--runtime", "corosync.service"]
    assert disable == ["systemctl", "disable", "corosync.service"]


def test_without_systemd_or_without_units_packages_are_just_installed() -> None:
    for found in (packages.commands(["corosync"], systemd=False), packages.commands(["resource-agents"], systemd=True)):
        assert [command[:2] for command in found] == [["apt-get", "update"], ["apt-get", "install"]]
