"""Fetching one wheel from the package index that the user's pip is set up for, whatever the machine it is for.

pip runs as a program: it has no interface to be imported (pip.pypa.io, "Using pip from your program"), and as a program it
keeps to the user's configuration, mirrors and certificates. It checks what it has fetched against the SHA-256 that the index
names. Nothing is built: an sdist runs whatever its author wrote.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from picluster.provision.wheels import Platform

__all__ = ["fetch"]

LONGEST_S = 300
"""For one wheel, a slow line included."""
PATIENCE = ("--retries", "1", "--timeout", "15")
"""An index that does not answer costs half a minute, not the four that pip would give it."""


def fetch(library: str, version: str, platform: Platform, directory: Path, environment: Mapping[str, str]) -> str:
    """Puts the wheel that fits best into the directory. Returns why it could not, as half a sentence; empty where it could.

    `environment` is pip's: it may name another index, or none.
    """
    target = ["--implementation", "cp", "--python-version", f"{platform.python[0]}.{platform.python[1]}"]
    target += ["--abi", platform.interpreter, *(word for name in platform.machines for word in ("--platform", name))]
    # -P: a file pip.py in the working directory is not pip.
    command = [sys.executable, "-P", "-m", "pip", "--no-input", "--disable-pip-version-check", "download", *PATIENCE]
    command += ["--no-deps", "--only-binary=:all:", "--progress-bar=off", "--dest", str(directory), *target]
    try:
        done = subprocess.run(
            [*command, f"{library}=={version}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the package index took longer than {LONGEST_S} s"
    except OSError as error:
        return f"pip cannot be started: {error}"
    return _reason(done.stderr) if done.returncode else ""


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return "this Python has no pip"
    if any("Retrying (" in line or "connection" in line.lower() for line in lines):
        return "the package index is not reached"
    if any("No matching distribution found" in line for line in lines):
        return "the package index has no wheel that fits"
    return f"pip says: {lines[-1]}" if lines else "pip does not say why"
