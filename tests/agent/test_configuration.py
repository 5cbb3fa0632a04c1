"""The agent's configuration file, with the inventory and the key that it names."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from picluster.agent.configuration import Mode, read_configuration, read_inventory
from picluster.errors import InventoryError, Mistake
from picluster.wire.keys import Keyring
from tests.agent.file_modes import file_modes_bind

INVENTORY = """
[cluster]
name = "home"
[addresses.web]
address = "192.168.1.200"
[addresses.dns]
address = "192.168.1.201"
[nodes.pi1]
[nodes.pi2]
[nodes.pi3]
"""
KEY = "0123456789abcdef" * 4
NEXT_KEY = "fedcba9876543210" * 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with an inventory and a key, as an agent finds them."""
    (tmp_path / "cluster.toml").write_text(INVENTORY)
    write_key(tmp_path / "cluster.key", KEY)
    return tmp_path


def write_key(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def agent_file(home: Path, text: str) -> Path:
    path = home / "agent.toml"
    path.write_text(text)
    return path


def mistakes_of(path: Path) -> tuple[Mistake, ...]:
    with pytest.raises(InventoryError) as caught:
        read_configuration(path)
    return caught.value.mistakes


def test_one_line_is_enough(home: Path) -> None:
    configuration = read_configuration(agent_file(home, 'node = "pi2"'))
    assert configuration.node.name == "pi2"
    assert configuration.inventory.cluster == "home"
    assert configuration.keyring == Keyring((bytes.fromhex(KEY),))
    assert configuration.run_dir == Path("/run/picluster")
    assert configuration.mode is Mode.KERNEL
    assert configuration.hosts == ()
    assert configuration.loopback_ports == {}
    assert configuration.switch is None


def test_every_key_arrives_in_its_place(home: Path) -> None:
    (home / "below").mkdir()
    (home / "cluster.toml").rename(home / "below" / "home.toml")
    write_key(home / "below" / "secret", f"{KEY}\n{NEXT_KEY}\n")
    text = """
        node = "pi1"
        inventory = "below/home.toml"
        key_file = "below/secret"
        run_dir = "run"
        mode = "loopback"
        hosts = ["127.0.0.1", "FE80:0::1%eth0"]
        [loopback]
        ports = { web = 18080, dns = 18053 }
        switch = 18000
        """
    configuration = read_configuration(agent_file(home, text))
    assert configuration.keyring.keys == (bytes.fromhex(KEY), bytes.fromhex(NEXT_KEY))
    assert configuration.run_dir == home / "run"
    assert configuration.mode is Mode.LOOPBACK
    assert configuration.hosts == ("127.0.0.1", "fe80::1%eth0")
    assert configuration.loopback_ports == {"web": 18080, "dns": 18053}
    assert configuration.switch == 18000


def test_an_absolute_path_stays_as_it_is(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("etc")
    text = f'node = "pi1"\ninventory = "{home}/cluster.toml"\nkey_file = "{home}/cluster.key"'
    assert read_configuration(agent_file(elsewhere, text)).node.name == "pi1"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o777])
def test_a_key_that_others_can_reach_is_refused(home: Path, mode: int) -> None:
    write_key(home / "cluster.key", KEY, mode)
    [mistake] = mistakes_of(agent_file(home, 'node = "pi1"'))
    assert mistake.source == str(home / "cluster.key")
    assert f"chmod 600 {home / 'cluster.key'}" in mistake.mend


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_the_owner_alone_is_read(home: Path, mode: int) -> None:
    write_key(home / "cluster.key", KEY, mode)
    assert read_configuration(agent_file(home, 'node = "pi1"')).keyring


@pytest.mark.parametrize("content", [KEY[:-1], f"{KEY}\n{KEY[:-1]}g", f"{KEY} {NEXT_KEY}", "", f"{KEY}\n" * 3, "é" * 64])
def test_a_wrong_key_is_refused_and_never_quoted(home: Path, content: str) -> None:
    write_key(home / "cluster.key", content)
    mistakes = mistakes_of(agent_file(home, 'node = "pi1"'))
    assert {mistake.source for mistake in mistakes} == {str(home / "cluster.key")}
    assert not any(KEY[:8] in str(mistake) for mistake in mistakes)


def test_a_configuration_does_not_print_its_key(home: Path) -> None:
    shown = repr(read_configuration(agent_file(home, 'node = "pi1"')))
    assert KEY not in shown
    assert repr(bytes.fromhex(KEY)) not in shown


PORTS = "ports = { web = 18080, dns = 18053 }"


@pytest.mark.parametrize(
    ("text", "key", "line", "helps"),
    [
        ("", "node", None, 'node = "pi1"'),
        ('node = "pi11"', "node", 1, 'Perhaps you mean "pi1"'),
        ("node = 1", "node", 1, "text in quotes"),
        ('node = "pi1"\nmodes = "kernel"', "modes", 2, "Perhaps you mean mode"),
        ('node = "pi1"\nports = { web = 1 }', "ports", 2, "belongs in [loopback]"),
        ('node = "pi1"\n[loopback]\nmode = "loopback"', "loopback.mode", 3, "at the top of the file"),
        ('node = "pi1"\nmode = "kernal"', "mode", 2, 'Perhaps you mean "kernel"'),
        ('node = "pi1"\nhosts = ["pi1.local"]', "hosts", 2, "is no IP address"),
        ('node = "pi1"\nhosts = "127.0.0.1"', "hosts", 2, "a list"),
        ('node = "pi1"\nhosts = "127.0.0.1"', "hosts", 2, 'hosts = ["192.168.1.11"]'),
        ('node = "pi1"\nrun_dir = "a\\u0000b"', "run_dir", 2, "is no path"),
        ('node = "pi1"\nnode = "pi2"', "node", 2, "the first is on line 1"),
        (f'node = "pi1"\n[loopback]\n{PORTS}', "loopback", 2, 'mode = "loopback"'),
        ('node = "pi1"\nmode = "loopback"\n[loopback]\nports = { web = 18080 }', "loopback.ports", 4, "dns has no port"),
        ('node = "pi1"\nmode = "loopback"\n[loopback]\nports = { web = 5, dns = 5 }', "loopback.ports", 4, "share a port"),
        (f'node = "pi1"\nmode = "loopback"\n[loopback]\n{PORTS[:-2]}, wob = 1 }}', "loopback.ports", 4, '"web"'),
        ('node = "pi1"\nmode = "loopback"\nloopback.ports = { web = 0, dns = 2 }', "loopback.ports.web", 3, "from 1"),
        (f'node = "pi1"\nmode = "loopback"\n[loopback]\n{PORTS}\nswitch = 0', "loopback.switch", 5, "from 1"),
    ],
)
def test_a_mistake_is_found_and_explained(home: Path, text: str, key: str, line: int | None, helps: str) -> None:
    path = agent_file(home, text)
    [mistake] = [mistake for mistake in mistakes_of(path) if mistake.key == key]
    assert (mistake.source, mistake.line) == (str(path), line)
    assert helps in str(mistake)


def test_the_mistakes_of_all_three_files_are_told_at_once(home: Path) -> None:
    (home / "cluster.toml").write_text(INVENTORY.replace("192.168.1.201", "192.168.1.200"))
    write_key(home / "cluster.key", KEY, 0o644)
    path = agent_file(home, 'node = "pi1"\nmode = "off"')
    assert [Path(mistake.source).name for mistake in mistakes_of(path)] == ["agent.toml", "cluster.toml", "cluster.key"]


def test_files_that_are_not_there_are_named_with_their_paths(home: Path) -> None:
    path = agent_file(home, 'node = "pi1"\ninventory = "no.toml"\nkey_file = "no.key"')
    assert [mistake.source for mistake in mistakes_of(path)] == [str(home / "no.toml"), str(home / "no.key")]
    [mistake] = mistakes_of(home / "nothing.toml")
    assert "cannot be read" in mistake.wrong


def test_a_directory_and_another_encoding_are_explained(home: Path) -> None:
    [mistake] = mistakes_of(home)
    assert "cannot be read" in mistake.wrong
    (home / "latin.toml").write_bytes('[cluster] # für zu Hause\nname = "home"'.encode("latin-1"))
    with pytest.raises(InventoryError, match="Save the file as UTF-8"):
        read_inventory(home / "latin.toml")


def test_an_unreadable_key_is_explained(home: Path) -> None:
    (home / "cluster.key").chmod(0)
    with file_modes_bind():
        [mistake] = mistakes_of(agent_file(home, 'node = "pi1"'))
    assert "Permission denied" in mistake.wrong


def test_reading_it_imports_nothing_heavy() -> None:
    program = "import sys, picluster.agent.configuration; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert not {"rich", "zeroconf", "pyroute2", "asyncio", "socket", "tomlkit", "hypothesis"} & set(loaded)


def test_the_digest_tells_whether_any_of_the_three_files_has_changed(home: Path) -> None:
    path = agent_file(home, 'node = "pi1"')
    seen = [read_configuration(path).digest]
    for name in ("cluster.toml", "cluster.key", path.name):
        with (home / name).open("ab") as file:
            file.write(b"\n# more\n")
        seen.append(read_configuration(path).digest)
    assert len(set(seen)) == 4
    assert all(len(digest) == 64 for digest in seen)
    files = [path, home / "cluster.toml", home / "cluster.key"]
    digests = "".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    assert seen[-1] == hashlib.sha256(digests.encode()).hexdigest(), "others reckon it so, too"
