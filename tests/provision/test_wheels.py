"""Which wheel fits which board: against the library that pip itself uses, and against file names as an index has them."""

from __future__ import annotations

import os
import platform as machine
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging import tags as packaging_tags

from picluster.provision.facts import Facts
from picluster.provision.wheels import (
    LIBRARIES,
    OLDEST_PYTHON,
    Library,
    Platform,
    WheelName,
    best,
    newest,
    notes,
    platform_of,
    why_not,
)
from tests.provision.boards import PC_BOOKWORM, PI3_32_BIT, PI4_BOOKWORM, PI5_TRIXIE, TOO_OLD, ZERO_TRIXIE

PLATFORMS = [platform_of(facts) for facts in (PI4_BOOKWORM, PI5_TRIXIE, PI3_32_BIT, ZERO_TRIXIE, PC_BOOKWORM)]
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

INDEX = (Path(__file__).parent / "zeroconf-0.154.0.txt").read_text(encoding="ascii").split()
"""All files of that version on the package index, sdist included."""


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_tags_and_their_order_are_those_of_pip(platform: Platform) -> None:
    """pip asks this library, so it must come to the same answer when it is given the same machines."""
    own = packaging_tags.cpython_tags(platform.python, [platform.interpreter], platform.machines)
    others = packaging_tags.compatible_tags(platform.python, platform.interpreter, platform.machines)
    assert list(platform.tags) == [str(tag) for tag in (*own, *others)]


def test_tags_of_this_very_machine_are_those_of_pip() -> None:
    words = {"x86_64": "amd64", "aarch64": "arm64"}
    if sys.implementation.name != "cpython" or machine.machine() not in words or not os.confstr("CS_GNU_LIBC_VERSION"):
        pytest.skip("this machine is no 64-bit PC or Pi with CPython and glibc")
    libc = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[1]
    facts = Facts(architecture=words[machine.machine()], python=machine.python_version(), libc=libc)
    expected = {str(tag) for tag in packaging_tags.sys_tags()}
    assert set(platform_of(facts).tags) == expected


@pytest.mark.parametrize(
    ("facts", "chosen"),
    [
        (PI4_BOOKWORM, "cp311-cp311-manylinux_2_17_aarch64"),
        (PI5_TRIXIE, "cp313-cp313-manylinux_2_17_aarch64"),
        (PI3_32_BIT, "cp311-cp311-manylinux_2_31_armv7l"),
        (PC_BOOKWORM, "cp311-cp311-manylinux_2_17_x86_64"),
    ],
)
def test_each_board_gets_the_wheel_that_was_made_for_it(facts: Facts, chosen: str) -> None:
    name = best(INDEX, "zeroconf", "0.154.0", platform_of(facts).tags)
    assert name is not None
    wheel = WheelName.read(name)
    assert wheel is not None
    assert chosen in wheel.tags


@pytest.mark.parametrize("facts", [ZERO_TRIXIE, Facts(architecture="riscv64", python="3.13.5", libc="2.41")])
def test_a_machine_that_nobody_compiles_for_gets_only_what_is_plain(facts: Facts) -> None:
    plain = "zeroconf-0.154.0-py3-none-any.whl"
    fitting = platform_of(facts).tags
    assert best(INDEX, "zeroconf", "0.154.0", fitting) is None
    assert best([*INDEX, plain], "zeroconf", "0.154.0", fitting) == plain


def test_an_older_glibc_refuses_what_was_compiled_for_a_newer_one() -> None:
    name = "zeroconf-0.154.0-cp311-cp311-manylinux_2_36_aarch64.whl"
    assert best([name], "zeroconf", "0.154.0", Platform("aarch64", (3, 11), (2, 36)).tags) == name
    assert best([name], "zeroconf", "0.154.0", Platform("aarch64", (3, 11), (2, 35)).tags) is None
    assert best([name], "zeroconf", "0.154.0", Platform("aarch64", (3, 11), (0, 0)).tags) is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("Raspberry Pi Model B Rev 2", "armv6l"),
        ("Raspberry Pi Model A Plus Rev 1.1", "armv6l"),
        ("Raspberry Pi Compute Module Rev 1.0", "armv6l"),
        ("Raspberry Pi Zero Rev 1.3", "armv6l"),
        ("Raspberry Pi Zero W Rev 1.1", "armv6l"),
        ("", "armv6l"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "armv7l"),
        ("Raspberry Pi 2 Model B Rev 1.1", "armv7l"),
        ("Raspberry Pi 3 Model A Plus Rev 1.0", "armv7l"),
        ("Raspberry Pi Compute Module 3 Plus Rev 1.0", "armv7l"),
        ("Raspberry Pi 4 Model B Rev 1.4", "armv7l"),
    ],
)
def test_32_bit_boards_are_told_apart_by_their_model(model: str, expected: str) -> None:
    assert platform_of(Facts(system="raspbian", architecture="armhf", python="3.11.2", model=model)).machine == expected


def test_debian_has_no_armhf_for_armv6() -> None:
    assert platform_of(Facts(system="debian", architecture="armhf", python="3.11.2")).machine == "armv7l"


def test_the_closer_wheel_goes_before_the_more_general_one() -> None:
    fitting = platform_of(PI4_BOOKWORM).tags
    names = [
        "zeroconf-0.154.0-py2.py3-none-any.whl",
        "zeroconf-0.154.0-cp39-abi3-manylinux2014_aarch64.whl",
        "zeroconf-0.154.0-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "zeroconf-0.154.0-1-cp311-cp311-manylinux_2_36_aarch64.whl",
        "zeroconf-0.154.0-cp312-cp312-manylinux_2_17_aarch64.whl",
    ]
    for expected in (names[3], names[2], names[1], names[0]):
        assert best(names, "zeroconf", "0.154.0", fitting) == expected
        names.remove(expected)
    assert best(names, "zeroconf", "0.154.0", fitting) is None


def test_another_version_or_library_is_never_chosen() -> None:
    fitting = platform_of(PI4_BOOKWORM).tags
    names = ["zeroconf-0.153.0-py3-none-any.whl", "zeroconf_extra-0.154.0-py3-none-any.whl"]
    assert best(names, "zeroconf", "0.154.0", fitting) is None
    assert best(names, "zeroconf-extra", "0.154.0", fitting) == names[1]


@pytest.mark.parametrize(
    "name",
    [
        "zeroconf-0.154.0.tar.gz",
        "zeroconf.whl",
        "a-1-py3-none.whl",
        "a--py3-none-any.whl",
        "a-1-b-c-py3-none-any.whl",
        ".whl",
    ],
)
def test_what_is_no_wheels_name_is_passed_over(name: str) -> None:
    assert WheelName.read(name) is None


def test_the_newest_version_is_found_by_number_and_pre_releases_are_not_taken() -> None:
    library = Library("zeroconf", "0.149.17", compiled=True)
    versions = ["0.149.9", "0.149.17", "0.150.0", "0.99.0", "0.160.0rc1", "0.160.0.dev3", "0.161+mine"]
    names = [f"zeroconf-{version}-py3-none-any.whl" for version in versions]
    assert newest(names, library) == "0.150.0"
    assert newest(names[:2], library) == "0.149.17"
    assert newest(names[:1], library) is None
    assert newest(["ifaddr-0.2.0-py3-none-any.whl"], Library("ifaddr", "0.2", compiled=False)) == "0.2.0"


def test_a_node_whose_python_is_too_old_or_missing_is_told_what_it_needs() -> None:
    assert why_not(PI4_BOOKWORM) == why_not(PI5_TRIXIE) == ""
    assert "3.9.2" in why_not(TOO_OLD)
    assert "3.11" in why_not(TOO_OLD)
    assert "apt install python3" in why_not(Facts(architecture="arm64"))


def test_notes_name_what_goes_without_its_compiled_parts() -> None:
    plain = ["ifaddr-0.2.0-py3-none-any.whl", "zeroconf-0.154.0-py3-none-any.whl"]
    assert [note for note in notes(plain) if "zeroconf 0.154.0" in note] == list(notes(plain))
    assert len(notes(plain)) == 1
    assert notes([plain[0], INDEX[0]]) == ()


def test_what_nodes_get_is_what_the_project_asks_for() -> None:
    """pyproject.toml is where people look; both have to say the same."""
    asked = [re.match(r"([a-z]+)>=([0-9.]+)$", line) for line in PROJECT["dependencies"]]
    assert [match and match.groups() for match in asked] == [(library.name, library.at_least) for library in LIBRARIES]
    assert PROJECT["requires-python"] == f">={OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]}"
