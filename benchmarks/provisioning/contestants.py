"""Who does the job: how each is installed, what it reads beside the job's directory, and how it is called.

Peers are installed into a virtual environment of their own, each into another, since they disagree about libraries. Their
settings are those that their own documents recommend for speed; the checking of host keys is on for all.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.provisioning.hosts import Host

__all__ = ["CONTESTANTS", "Contestant", "command_of", "install"]

PEERS = Path(__file__).parent / "peers"
ANSIBLE_SETTINGS = """[defaults]
inventory = hosts.yml
forks = {forks}
remote_user = pi
host_key_checking = True
stdout_callback = ansible.builtin.default
interpreter_python = /usr/bin/python3
{strategy}
[ssh_connection]
pipelining = True
"""
PYINFRA_HOSTS = """import json
from pathlib import Path

nodes = [(name, data) for name, data in json.loads(Path("pyinfra.json").read_text(encoding="utf-8")).items()]
"""

Write = Callable[[Path, Path, Sequence[Host]], None]


@dataclass(frozen=True, slots=True)
class Contestant:
    key: str
    title: str
    requirements: tuple[str, ...]
    """For pip; empty where nothing has to be installed."""
    write: Write
    """Given the job's directory, its own environment and the nodes: what it reads besides."""
    apply: tuple[str, ...]
    """The command, to be run in the job's directory; its first word is a program of the environment."""
    dry_run: tuple[str, ...]
    """The same, and nothing is changed."""


def install(contestant: Contestant, directory: Path) -> Path:
    """Its environment, below the directory; what is there already stays. Raises CalledProcessError, and pip says why."""
    place = directory / contestant.key
    if contestant.requirements and not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True, symlinks=True)
        command = [str(place / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *contestant.requirements], check=True)
        (place / "done").touch()
    return place


def command_of(words: Sequence[str], environment: Path) -> list[str]:
    """With the program's path. The floor is a part of this very program."""
    program = sys.executable if words[0] == "python" else str(environment / "bin" / words[0])
    return [program, *words[1:]]


def _write_ansible(directory: Path, environment: Path, hosts: Sequence[Host], *, mitogen: bool = False) -> None:
    strategy = ""
    if mitogen:
        plugins = next(environment.glob("lib/python3.*/site-packages/ansible_mitogen/plugins/strategy"))
        strategy = f"strategy_plugins = {plugins}\nstrategy = mitogen_linear\n"
    settings = ANSIBLE_SETTINGS.format(forks=max(10, len(hosts)), strategy=strategy)
    (directory / "ansible.cfg").write_text(settings, encoding="utf-8")
    shutil.copy(PEERS / "playbook.yml", directory)
    nodes = {host.name: _for_ansible(host) for host in hosts}
    # JSON is YAML too.
    _write_private(directory / "hosts.yml", {"all": {"hosts": nodes}})


def _write_mitogen(directory: Path, environment: Path, hosts: Sequence[Host]) -> None:
    _write_ansible(directory, environment, hosts, mitogen=True)


def _for_ansible(host: Host) -> dict[str, object]:
    checking = f"-o UserKnownHostsFile={host.known_hosts} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
    data: dict[str, object] = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": str(host.key),
        "ansible_ssh_common_args": checking,
    }
    return data | ({"ansible_become_password": host.sudo_password} if host.sudo_password else {})


def _write_pyinfra(directory: Path, _environment: Path, hosts: Sequence[Host]) -> None:
    shutil.copy(PEERS / "deploy.py.txt", directory / "deploy.py")
    (directory / "nodes.py").write_text(PYINFRA_HOSTS, encoding="utf-8")
    _write_private(directory / "pyinfra.json", {host.name: _for_pyinfra(host) for host in hosts})


def _for_pyinfra(host: Host) -> dict[str, object]:
    data: dict[str, object] = {
        "ssh_hostname": host.address,
        "ssh_port": host.port,
        "ssh_user": host.user,
        "ssh_key": str(host.key),
        "ssh_known_hosts_file": str(host.known_hosts),
        "ssh_strict_host_key_checking": "yes",
    }
    return data | ({"_sudo_password": host.sudo_password} if host.sudo_password else {})


def _write_nothing(_directory: Path, _environment: Path, _hosts: Sequence[Host]) -> None:
    """The floor reads the job's own files."""


def _write_private(path: Path, value: object) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _floor(transport: str, what: str) -> tuple[str, ...]:
    return ("python", "-m", "benchmarks.provisioning.floor", ".", transport, what)


PLAYBOOK = ("ansible-playbook", "--extra-vars", "@job.json", "playbook.yml")
DEPLOY = ("pyinfra", "nodes.py", "deploy.py")
CONTESTANTS = (
    Contestant("ansible", "ansible-core, pipelining", ("ansible-core",), _write_ansible, PLAYBOOK, (*PLAYBOOK, "--check")),
    Contestant(
        "mitogen",
        "ansible-core + mitogen",
        ("ansible-core<2.19", "mitogen"),
        _write_mitogen,
        PLAYBOOK,
        (*PLAYBOOK, "--check"),
    ),
    Contestant("pyinfra", "pyinfra 3", ("pyinfra>=3,<4",), _write_pyinfra, (*DEPLOY, "--yes"), (*DEPLOY, "--dry")),
    Contestant(
        "paramiko",
        "floor: two scripts, paramiko",
        (),
        _write_nothing,
        _floor("paramiko", "apply"),
        _floor("paramiko", "check"),
    ),
    Contestant(
        "openssh",
        "floor: two scripts, OpenSSH, no pip",
        (),
        _write_nothing,
        _floor("openssh", "apply"),
        _floor("openssh", "check"),
    ),
)
"""In the order of the table."""
