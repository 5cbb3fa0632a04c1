"""What is sent to nodes really installs and runs, and where it is taken from. Nothing here leaves this machine."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Mapping
from importlib import metadata
from io import BytesIO
from pathlib import Path

import pytest

import picluster
from picluster.adapters.software import DATA, NAME, PROGRAMS, cache_directory, own_wheel, wheels_for
from picluster.errors import ProvisionError
from picluster.provision import archive
from picluster.provision.facts import Facts
from picluster.provision.steps import Blob
from picluster.provision.wheels import LIBRARIES, PLAIN_TAG, WheelName, platform_of
from tests.provision.boards import PI4_BOOKWORM, PI5_TRIXIE, TOO_OLD, ZERO_TRIXIE

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
VERSIONS = {library.name: metadata.version(library.name) for library in LIBRARIES}
ZEROCONF = VERSIONS["zeroconf"]

needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this Python has no pip")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A directory that pip takes for its only index."""
    directory = tmp_path / "index"
    directory.mkdir()
    return directory


@pytest.fixture
def environment(tmp_path: Path, index: Path) -> dict[str, str]:
    """Hermetic: no configuration of this machine's user, and no network."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    kept = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    return {**own, **kept, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}


class Told(list[str]):
    def __call__(self, line: str) -> None:
        self.append(line)


def lay(directory: Path, library: str, version: str, *tags: str, content: bytes = b"") -> Blob:
    """A wheel of that name into the directory, with nothing in it that does anything."""
    folder = f"{library}-{version}.dist-info"
    files = {
        f"{library}/__init__.py": content,
        f"{library}/_fast.so": b"\x7fELF",
        f"{folder}/METADATA": archive.metadata(library, version, ">=3.11", []),
        f"{folder}/WHEEL": archive.wheel_file(tags),
    }
    wheel = archive.pack(files)
    (directory / wheel.name).write_bytes(wheel.data)
    return wheel


def of(library: str, wheels: tuple[Blob, ...]) -> Blob:
    return next(wheel for wheel in wheels if wheel.name.startswith(f"{library}-"))


# What picluster itself becomes


def test_picluster_becomes_the_same_wheel_each_time() -> None:
    first, second = own_wheel(), own_wheel()
    assert (first.name, first.digest) == (second.name, second.digest)
    files = archive.unpack(first.data)
    assert {"picluster/py.typed", "picluster/agent/systemd/picluster.service", "picluster/cli/agent.py"} <= set(files)
    assert not [path for path in files if not path.startswith(("picluster/", "picluster_toolkit-"))]
    wheel = WheelName.read(first.name)
    assert wheel is not None
    assert (wheel.library, wheel.tags) == (NAME, frozenset({PLAIN_TAG}))
    assert wheel.version.startswith(f"{picluster.__version__}+src")


def test_the_wheel_has_what_the_project_says_that_a_package_has() -> None:
    assert PROJECT["tool"]["setuptools"]["package-data"] == {"picluster": list(DATA)}
    program = PROJECT["project"]["scripts"]["picluster"]
    assert PROGRAMS.decode() == f"[console_scripts]\npicluster = {program}\n"
    assert PROJECT["project"]["name"] == NAME


# Software that runs: one environment for all tests of it


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as a node has it, without pip, into which pip from outside has installed what nodes get."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this Python has no pip")
    place = tmp_path_factory.mktemp("node")
    for wheel in plain_wheels(place):
        (place / wheel.name).write_bytes(wheel.data)
    venv.create(place / "environment", symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", str(place / "environment/bin/python"), "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-index", "--no-compile", "--find-links", str(place), "picluster-toolkit"]
    subprocess.run(command, check=True, timeout=120)
    return place / "environment"


def plain_wheels(place: Path) -> tuple[Blob, ...]:
    """In plain Python, so that they are for this Python too, whatever it is."""
    empty = {"XDG_CACHE_HOME": str(place / "cache"), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")} | empty
    return wheels_for({"zero": ZERO_TRIXIE}, None, Told(), environment)["zero"]


def say(environment: Path, *words: str, **more: str) -> str:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    run = [str(environment / "bin" / words[0]), *words[1:]]
    done = subprocess.run(run, env=own | more, cwd=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.scenario
def test_what_is_sent_to_a_node_runs_there(installed: Path) -> None:
    assert say(installed, "picluster", "--version") == f"picluster {picluster.__version__}\n"
    assert "/etc/picluster/agent.toml" in say(installed, "picluster", "agent", "--help")
    assert "until told otherwise" in say(installed, "picluster", "--help")
    assert "usage: picluster standby" in say(installed, "picluster", "standby", "--help")
    where = say(installed, "python", "-c", "import picluster.agent.daemon, picluster.adapters.mdns as m; print(m.__file__)")
    assert Path(where.strip()).is_relative_to(installed)


def test_the_plain_form_of_zeroconf_reads_and_writes_what_mdns_says(installed: Path) -> None:
    program = """
import zeroconf, zeroconf.const as const
from zeroconf._protocol import incoming, outgoing
assert incoming.__file__.endswith(".py") and outgoing.__file__.endswith(".py")
asked = zeroconf.DNSOutgoing(const._FLAGS_QR_QUERY)
asked.add_question(zeroconf.DNSQuestion("_picluster._udp.local.", const._TYPE_PTR, const._CLASS_IN))
print(zeroconf.DNSIncoming(asked.packets()[0]).questions[0].name)
"""
    assert say(installed, "python", "-c", program) == "_picluster._udp.local.\n"


def test_where_there_is_no_pip_the_plain_form_goes(installed: Path, tmp_path: Path) -> None:
    program = """
from picluster.adapters.software import wheels_for
from picluster.provision.facts import Facts
node = Facts(architecture="arm64", python="3.11.2", libc="2.36")
for wheel in wheels_for({"pi": node}, None, print)["pi"]:
    print(wheel.name)
"""
    lines = say(installed, "python", "-c", program, XDG_CACHE_HOME=str(tmp_path)).splitlines()
    assert lines[-1] == f"zeroconf-{ZEROCONF}-py3-none-any.whl"
    assert lines[-2] == f"ifaddr-{VERSIONS['ifaddr']}-py3-none-any.whl"
    assert any("this Python has no pip" in line for line in lines)


# Where it comes from


@needs_pip
@pytest.mark.scenario
def test_a_platforms_wheel_is_fetched_once_and_then_kept(index: Path, environment: dict[str, str]) -> None:
    laid = lay(index, "zeroconf", ZEROCONF, "cp311-cp311-manylinux_2_28_aarch64")
    lay(index, "zeroconf", ZEROCONF, "cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_28_armv7l")
    told = Told()
    nodes = {"pi1": PI4_BOOKWORM, "pi2": PI4_BOOKWORM, "old": TOO_OLD}
    first = wheels_for(nodes, None, told, environment)
    assert set(first) == {"pi1", "pi2"}
    assert of("zeroconf", first["pi1"]).data == of("zeroconf", first["pi2"]).data == laid.data
    assert first["pi1"][0].digest == own_wheel().digest
    assert told == [f"fetching zeroconf {ZEROCONF} for aarch64-python3.11-glibc2.36"]

    for wheel in index.iterdir():
        wheel.unlink()
    again = wheels_for(nodes, None, told, environment)
    assert [wheel.digest for wheel in again["pi1"]] == [wheel.digest for wheel in first["pi1"]]
    assert len(told) == 1


@needs_pip
@pytest.mark.scenario
def test_nodes_of_two_kinds_get_the_same_version(index: Path, environment: dict[str, str]) -> None:
    lay(index, "zeroconf", ZEROCONF, "cp311-cp311-manylinux_2_28_aarch64")
    lay(index, "zeroconf", "999.0", "cp313-cp313-manylinux_2_28_aarch64")
    found = wheels_for({"pi4": PI4_BOOKWORM, "pi5": PI5_TRIXIE}, None, Told(), environment)
    assert of("zeroconf", found["pi4"]).name == f"zeroconf-{ZEROCONF}-cp311-cp311-manylinux_2_28_aarch64.whl"
    assert of("zeroconf", found["pi5"]).name == f"zeroconf-{ZEROCONF}-py3-none-any.whl"


@needs_pip
@pytest.mark.scenario
def test_what_has_no_wheel_goes_in_plain_python_and_that_is_said_once(environment: dict[str, str]) -> None:
    told = Told()
    found = wheels_for({"zero": ZERO_TRIXIE}, None, told, environment)
    files = archive.unpack(of("zeroconf", found["zero"]).data)
    assert "zeroconf/_dns.py" in files
    assert not [path for path in files if path.endswith(".so")]
    assert "goes in plain Python to armv6l-python3.13-glibc2.41: the package index has no wheel that fits" in told[1]
    place = cache_directory(environment) / "armv6l-python3.13-glibc2.41"
    assert f"remove {place}" in told[1]
    assert of("zeroconf", wheels_for({"zero": ZERO_TRIXIE}, None, told, environment)["zero"]).digest == digest(found, "zero")
    assert len(told) == 2


def digest(found: Mapping[str, tuple[Blob, ...]], node: str) -> str:
    return of("zeroconf", found[node]).digest


@needs_pip
@pytest.mark.scenario
def test_an_index_that_is_not_there_is_not_waited_for_long(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    online = {key: value for key, value in environment.items() if key not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}
    told = Told()
    wheels_for({"pi": PI4_BOOKWORM}, None, told, {**online, "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple"})
    assert "the package index is not reached" in told[1]


@needs_pip
@pytest.mark.scenario
def test_a_kept_wheel_that_was_damaged_is_fetched_again(index: Path, environment: dict[str, str]) -> None:
    laid = lay(index, "zeroconf", ZEROCONF, "cp311-cp311-manylinux_2_28_aarch64")
    wheels_for({"pi": PI4_BOOKWORM}, None, Told(), environment)
    (kept,) = cache_directory(environment).rglob("zeroconf-*.whl")
    kept.write_bytes(laid.data[:-100])
    assert of("zeroconf", wheels_for({"pi": PI4_BOOKWORM}, None, Told(), environment)["pi"]).data == laid.data
    assert kept.read_bytes() == laid.data


def test_the_controllers_own_copy_serves_nodes_of_its_kind(environment: dict[str, str]) -> None:
    """Whatever pip has made of the wheel here is undone: what it has added is gone, and the rest is what it was."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
    if machine is None:
        pytest.skip("this machine is no 64-bit PC or Pi")
    node = Facts(architecture=machine, python=f"{sys.version_info[0]}.{sys.version_info[1]}.0", libc="2.99")
    told = Told()
    wheel = of("zeroconf", wheels_for({"pc": node}, None, told, environment)["pc"])
    read = WheelName.read(wheel.name)
    assert read is not None
    if not read.compiled:
        pytest.skip("zeroconf was compiled on this machine, or not at all")
    assert told == []
    source = metadata.distribution("zeroconf")
    files = archive.unpack(wheel.data)
    suffix = next(path for path in files if path.endswith(".so"))
    assert files[suffix] == Path(str(source.locate_file(suffix))).read_bytes()
    assert archive.tags_of(files)[0] in platform_of(node).tags


def test_where_wheels_cannot_be_kept_the_user_is_told_which_variable_helps(environment: dict[str, str]) -> None:
    Path(environment["XDG_CACHE_HOME"]).write_text("a file\n", encoding="ascii")
    with pytest.raises(ProvisionError, match="XDG_CACHE_HOME"):
        wheels_for({"pi": PI4_BOOKWORM}, None, Told(), environment)


@needs_pip
@pytest.mark.scenario
def test_what_is_had_nowhere_is_said_with_the_way_out(environment: dict[str, str], tmp_path: Path) -> None:
    """As where a distribution's package of zeroconf, which keeps no digests, is all that there is."""
    site = tmp_path / "site"
    for wheel in wheels_for({"zero": ZERO_TRIXIE}, None, Told(), environment)["zero"]:
        with zipfile.ZipFile(BytesIO(wheel.data)) as opened:
            opened.extractall(site)
    (record,) = site.glob("zeroconf-*/RECORD")
    record.unlink()
    program = """
from picluster.adapters.software import wheels_for
from picluster.errors import ProvisionError
from picluster.provision.facts import Facts
try:
    wheels_for({"pi": Facts(architecture="arm64", python="3.11.2", libc="2.36")}, None, str)
except ProvisionError as error:
    print(error)
"""
    child = {**environment, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(tmp_path / "other")}
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env=child,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"zeroconf {ZEROCONF} cannot be had for aarch64-python3.11-glibc2.36" in run.stdout, run.stderr
    assert "--wheels" in run.stdout


# From a directory


def test_a_directory_serves_every_platform_in_its_newest_version(tmp_path: Path, environment: dict[str, str]) -> None:
    lay(tmp_path, "zeroconf", "999.1", "cp311-cp311-manylinux_2_28_x86_64")
    fits = lay(tmp_path, "zeroconf", "999.1", "cp311-cp311-manylinux_2_28_aarch64")
    lay(tmp_path, "zeroconf", "999.0", "cp313-cp313-manylinux_2_28_aarch64")
    told = Told()
    found = wheels_for({"pi4": PI4_BOOKWORM, "pi5": PI5_TRIXIE}, tmp_path, told, environment)
    assert of("zeroconf", found["pi4"]).data == fits.data
    assert of("zeroconf", found["pi5"]).name == "zeroconf-999.1-py3-none-any.whl"
    assert of("ifaddr", found["pi5"]).name == f"ifaddr-{VERSIONS['ifaddr']}-py3-none-any.whl"
    assert len(told) == 1
    assert "zeroconf 999.1 goes in plain Python to aarch64-python3.13-glibc2.41" in told[0]


def test_what_a_directory_lacks_or_has_too_old_comes_from_this_installation(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    lay(tmp_path, "zeroconf", "0.47.3", "cp311-cp311-manylinux_2_28_aarch64")
    found = wheels_for({"zero": ZERO_TRIXIE}, tmp_path, Told(), environment)
    assert of("zeroconf", found["zero"]).name == f"zeroconf-{ZEROCONF}-py3-none-any.whl"


def test_a_wheel_that_cannot_be_read_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    laid = lay(tmp_path, "zeroconf", "999.1", "cp311-cp311-manylinux_2_28_aarch64")
    (tmp_path / laid.name).write_bytes(laid.data[:100])
    with pytest.raises(ProvisionError, match=r"999\.1-cp311"):
        wheels_for({"pi": PI4_BOOKWORM}, tmp_path, Told(), environment)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match="no such directory"):
        wheels_for({"pi": PI4_BOOKWORM}, tmp_path / "wheels", Told())


def test_nothing_is_asked_for_where_nothing_of_ours_runs(environment: dict[str, str]) -> None:
    told = Told()
    assert wheels_for({"old": TOO_OLD}, None, told, environment) == {}
    assert told == []
