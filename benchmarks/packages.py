"""The peers' programs: which are there, and how those that are not come here (Debian, Ubuntu, Raspberry Pi OS).

Installing a daemon on such a system starts it. None of ours is to run but in its virtual Pis: where systemd runs, their
units are masked while they are installed, and disabled afterwards. Only units of packages that were not there before are
touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.systems import System
from picluster.errors import LabError

__all__ = ["commands", "install", "missing", "playable", "versions", "why_not"]

WITH_A_UNIT = ("keepalived", "corosync", "pacemaker")
"""Packages that have a systemd unit, of the same name."""


def missing(systems: Iterable[System]) -> list[str]:
    """Packages, in the order in which they are needed, each once."""
    needed = {package: None for system in systems for package in _missing_for(system)}
    return list(needed)


def playable(system: System) -> bool:
    return not _missing_for(system)


def why_not(packages: Sequence[str]) -> str:
    """Why they cannot be installed from here, as a sentence; empty where they can."""
    how = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        return f"not installed, and there is no apt-get: {' '.join(packages)}"
    if os.getuid() != 0:
        return f"not installed: {' '.join(packages)}. As root: {how}"
    return ""


def install(packages: Sequence[str]) -> None:
    """As root. Raises LabError where it fails; no unit stays masked then either."""
    failure = ""
    for command in commands(packages, systemd=Path("/run/systemd/system").is_dir()):
        if failure and command[0] != "systemctl":
            continue
        done = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and not failure:
            failure = f"{' '.join(command)}: {done.stderr.strip()[-300:]}"
    if failure:
        raise LabError(f"{failure}. Install {' '.join(packages)} by hand, or do without: --no-install")


def commands(packages: Sequence[str], *, systemd: bool) -> list[list[str]]:
    """One after the other."""
    units = [f"{package}.service" for package in packages if package in WITH_A_UNIT] if systemd else []
    before = [["systemctl", "mask", "--runtime", *units]] if units else []
    after = [["systemctl", "unmask", "--runtime", *units], ["systemctl", "disable", *units]] if units else []
    return [
        *before,
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "--no-install-recommends", *packages],
        *after,
    ]


def versions(systems: Iterable[System]) -> list[str]:
    """What of the systems is installed here, with its version, as dpkg knows it; what it does not know is left out."""
    packages = {package: None for system in systems for package in system.needs.values()}
    if not packages or shutil.which("dpkg-query") is None:
        return []
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *packages]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def _missing_for(system: System) -> list[str]:
    """Programs of daemons are where an ordinary user does not look for them."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return [package for program, package in system.needs.items() if shutil.which(program, path=path) is None]
