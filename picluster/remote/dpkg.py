"""What dpkg knows, and who has its lock: looked up with one `dpkg-query`, and without apt, which would take a second.

Locks are asked of the kernel (F_GETLK, man 2 fcntl): it names the process. A lock file that merely exists means nothing.
"""

from __future__ import annotations

import fcntl
import struct

from picluster.remote.node import Node

__all__ = ["Packages", "holder_of_lock"]

LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
JOURNAL = "/var/lib/dpkg/updates"
"""Files with numbers for names are in here while dpkg is at work, and after it was cut off."""
WHOLE = {"installed", "config-files", "not-installed"}
FORM = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n"
FLOCK = "hhqqi4x"
"""struct flock (64-bit offsets): type, whence, start, length, pid."""


class Packages:
    """All that dpkg has a record of, as it was when this was made."""

    def __init__(self, node: Node) -> None:
        lines = (node.commands.ask("dpkg-query", "--show", f"--showformat={FORM}") or "").splitlines()
        self._records = [line.split("\t") for line in lines if line.count("\t") == 3]
        self._journal = node.at(JOURNAL)

    @property
    def installed(self) -> dict[str, str]:
        """Version by name."""
        return {name: version for status, name, version, _ in self._records if status == "installed"}

    @property
    def known(self) -> set[str]:
        """The names of those of which something is there, if only configuration files."""
        return {name for status, name, _, _ in self._records if status != "not-installed"}

    @property
    def architecture(self) -> str:
        """The system's: dpkg itself is made for it."""
        return next((architecture for _, name, _, architecture in self._records if name == "dpkg"), "")

    @property
    def broken(self) -> bool:
        """Whether dpkg was left half-way."""
        return any(status not in WHOLE for status, *_ in self._records) or self._interrupted()

    def _interrupted(self) -> bool:
        try:
            return any(path.name.isdigit() for path in self._journal.iterdir())
        except OSError:
            return False


def holder_of_lock(node: Node) -> str:
    """Who has one of the locks now, `unattended-upgr (process 812)`; empty where nobody has."""
    for path in LOCKS:
        holder = _holder(node, path)
        if holder is not None:
            name = node.text(f"/proc/{holder}/comm") if holder > 0 else ""
            return f"{name or 'somebody'} (process {holder})" if holder > 0 else "somebody outside"
    return ""


def _holder(node: Node, path: str) -> int | None:
    """The process that has it; 0 or less where the kernel may not say which."""
    question = struct.pack(FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0)
    try:
        with node.at(path).open("rb") as file:
            answer = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, question))
    except OSError:
        return None
    return None if answer[0] == fcntl.F_UNLCK else answer[4]
