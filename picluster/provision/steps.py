"""What a node can be told to do, one step at a time: `picluster.remote` obeys, in order, and stops at the first failure.

Every step may be obeyed twice: doing again what is done already changes nothing. So whatever was cut off is run again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "Blob",
    "Step",
    "directory",
    "environment",
    "host_name",
    "link",
    "packages",
    "remove",
    "run",
    "stamp",
    "sysctl",
    "unit",
    "write",
]

SMALL_BYTES = 64 * 1024
"""Content up to this length travels within the step; more has to be a blob."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are sent beside the steps, at most once to a node: it keeps them under their SHA-256."""

    data: bytes = field(repr=False)
    name: str = ""
    """For people: `zeroconf-0.149.17-….whl`."""

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `request` is what the node is sent, as JSON; `blobs` what it must have before."""

    request: dict[str, object]
    blobs: tuple[Blob, ...] = ()
    secret: bool = False
    """Whether the request holds what must not be shown."""

    @property
    def do(self) -> str:
        return str(self.request["do"])


def write(path: str, content: bytes, *, mode: int = 0o644, owner: str = "root:root", secret: bool = False) -> Step:
    """The file has this content, owner and mode; atomically and synced. What stood there before is kept for `reset`."""
    if len(content) > SMALL_BYTES:
        raise ValueError(f"{path}: {len(content)} bytes are too many for a step")
    encoded = base64.b64encode(content).decode()
    return Step({"do": "write", "path": path, "content": encoded, "mode": mode, "owner": owner}, secret=secret)


def remove(path: str) -> Step:
    """The file is not there; it is kept for `reset`."""
    return Step({"do": "remove", "path": path})


def directory(path: str, *, mode: int = 0o755, owner: str = "root:root") -> Step:
    return Step({"do": "directory", "path": path, "mode": mode, "owner": owner})


def link(path: str, target: str) -> Step:
    """A symbolic link, put in place in one step."""
    return Step({"do": "link", "path": path, "target": target})


def packages(names: Sequence[str]) -> Step:
    """The distribution's packages are installed. Waits for whoever has the lock, and says so; mends what is half done."""
    return Step({"do": "packages", "names": list(names)})


def unit(name: str, *, enabled: bool | None = None, state: str = "") -> Step:
    """`state`: started, restarted, reloaded, stopped; empty leaves that as it is."""
    return Step({"do": "unit", "name": name, "enabled": enabled, "state": state})


def sysctl(name: str, value: str) -> Step:
    """The running kernel's setting; the file that keeps it over a boot is a `write`."""
    return Step({"do": "sysctl", "name": name, "value": value})


def host_name(name: str) -> Step:
    """/etc/hostname, the line of 127.0.1.1 in /etc/hosts and the running kernel's name, together: while they disagree, every
    sudo waits for a name server."""
    return Step({"do": "host_name", "name": name})


def environment(path: str, wheels: Sequence[Blob], program: str) -> Step:
    """A virtual environment of its own, without pip, with these wheels unpacked into it; `program` is the console script
    that has to run in it (`NAME --version`) before it counts. Built beside the place and then renamed to it."""
    names = [{"digest": wheel.digest, "name": wheel.name} for wheel in wheels]
    return Step({"do": "environment", "path": path, "wheels": names, "program": program}, tuple(wheels))


def run(*words: str) -> Step:
    """A command, without a shell. It has to be harmless the second time."""
    return Step({"do": "run", "words": list(words)})


def stamp(name: str, value: str) -> Step:
    """Write down that this has taken effect: the last step of what only a handler could undo, such as a reload."""
    return Step({"do": "stamp", "name": name, "value": value})
