"""The twenty steps, and the directory that every contestant starts from.

    files/       what goes to the nodes as it is; files/agent/NODE.toml is each node's own
    job.json     all names and values, for those who have variables
    hosts.json   who

The software is made up, so that nothing depends on an index: a wheel of 5 MB that nobody can compress, with a program that
says it is ready and sleeps.
"""

from __future__ import annotations

import hashlib
import json
import random
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.provisioning.hosts import Host
from picluster.provision import archive
from picluster.provision.steps import Blob
from picluster.provision.wheels import PLAIN_TAG

__all__ = ["PACKAGES", "STEPS", "values_of", "write_job"]

STEPS = {
    "hostname": "the running kernel's host name and /etc/hostname",
    "hosts": "the line 127.0.1.1 in /etc/hosts",
    "timezone": "the time zone",
    "packages": "two packages of the distribution",
    "user": "a system user",
    "key": "the operator's key among the authorised ones",
    "sshd": "a drop-in for sshd",
    "sshd_live": "sshd reads it",
    "sysctl": "a file for sysctl",
    "sysctl_live": "the running kernel has it",
    "boot": "a word of the boot command line",
    "journald": "a drop-in for journald",
    "directory": "a directory for the configuration",
    "agent": "the configuration, of each node its own",
    "cluster": "the inventory, the same for all",
    "secret": "a secret, for the system user alone",
    "wheels": "5 MB of software",
    "environment": "a virtual environment with it",
    "unit": "a systemd unit",
    "service": "enabled and running",
}
"""By the key that the floor's scripts use."""

PACKAGES = ("rsync", "tree")
SIZE_BYTES, PIECES = 5_000_000, 40
USER = "ballast"
PROGRAM = """import time

def main():
    print("ready", flush=True)
    while True:
        time.sleep(3600)
"""
UNIT = """[Unit]
Description=what the benchmark installs
[Service]
ExecStart=/opt/ballast/bin/ballast
User=ballast
[Install]
WantedBy=multi-user.target
"""
SSHD = "PermitRootLogin no\nX11Forwarding no\n"
JOURNALD = "[Journal]\nSystemMaxUse=50M\n"
CLUSTER = "".join(f'[[node]]\nname = "pi{number}"\naddress = "192.168.1.{number}"\n' for number in range(100))


def write_job(directory: Path, hosts: Sequence[Host], packages: Sequence[str] = PACKAGES) -> None:
    """Into an empty directory."""
    wheel = _wheel()
    files: dict[str, bytes] = {
        "sshd.conf": SSHD.encode(),
        "sysctl.conf": b"net.ipv4.ip_nonlocal_bind = 1\n",
        "journald.conf": JOURNALD.encode(),
        "cluster.toml": CLUSTER.encode(),
        "cluster.key": random.Random("secret").randbytes(32).hex().encode() + b"\n",
        "ballast.service": UNIT.encode(),
        f"wheels/{wheel.name}": wheel.data,
        **{f"agent/{host.name}.toml": f'node = "{host.name}"\n'.encode() for host in hosts},
    }
    for name, content in files.items():
        path = directory / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
    _write_json(directory / "job.json", _variables(wheel.name, packages))
    told = [{**asdict(host), "key": str(host.key), "known_hosts": str(host.known_hosts)} for host in hosts]
    _write_json(directory / "hosts.json", told)


def values_of(directory: Path, host: Host) -> dict[str, str]:
    """The variables of the floor's scripts for one node."""
    variables = json.loads((directory / "job.json").read_text(encoding="utf-8"))
    files = directory / "files"
    digests = {
        "sshd_digest": files / "sshd.conf",
        "sysctl_digest": files / "sysctl.conf",
        "journald_digest": files / "journald.conf",
        "cluster_digest": files / "cluster.toml",
        "key_digest": files / "cluster.key",
        "unit_digest": files / "ballast.service",
        "wheel_digest": files / "wheels" / variables["wheel"],
        "agent_digest": files / "agent" / f"{host.name}.toml",
    }
    own = {"name": host.name, "login": host.user, "packages": " ".join(variables["packages"])}
    return {**variables, **{key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in digests.items()}, **own}


def _variables(wheel: str, packages: Sequence[str]) -> dict[str, object]:
    key = random.Random("operator").randbytes(32)
    return {
        "time_zone": "Europe/Vienna",
        "packages": list(packages),
        "user": USER,
        "public_key": f"ssh-ed25519 {_public_key(key)} operator@ballast",
        "sshd_file": "/etc/ssh/sshd_config.d/50-ballast.conf",
        "sysctl_file": "/etc/sysctl.d/50-ballast.conf",
        "sysctl_place": "/proc/sys/net/ipv4/ip_nonlocal_bind",
        "sysctl_value": "1",
        "boot_file": "/boot/firmware/cmdline.txt",
        "boot_word": "cgroup_enable=memory",
        "journald_file": "/etc/systemd/journald.conf.d/50-ballast.conf",
        "wheel": wheel,
    }


def _public_key(key: bytes) -> str:
    """As authorized_keys has it (RFC 8709 section 4). Nobody has the private one."""
    name = b"ssh-ed25519"
    return b64encode(len(name).to_bytes(4) + name + len(key).to_bytes(4) + key).decode()


def _wheel() -> Blob:
    chance = random.Random("ballast")
    folder = "ballast-1.0.dist-info"
    pieces = {f"ballast/data/{number:02}.bin": chance.randbytes(SIZE_BYTES // PIECES) for number in range(PIECES)}
    return archive.pack(
        {
            **pieces,
            "ballast/__init__.py": PROGRAM.encode(),
            f"{folder}/METADATA": archive.metadata("ballast", "1.0", ">=3.9", []),
            f"{folder}/WHEEL": archive.wheel_file((PLAIN_TAG,)),
            f"{folder}/entry_points.txt": b"[console_scripts]\nballast = ballast:main\n",
        }
    )


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    path.chmod(0o600)
