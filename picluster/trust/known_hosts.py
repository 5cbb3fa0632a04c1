"""The text of a known_hosts file as a value (man 8 sshd, "SSH_KNOWN_HOSTS FILE FORMAT"): `NAME[,NAME…] KIND BASE64
[COMMENT]`.

OpenSSH reads the same file (`picluster ssh`), and people may edit it. So lines that are not understood here (comments,
hashed names, markers such as `@revoked`, patterns, kinds of keys that came later) stay where they are, and nobody is
known by them. Names are whole: `pi3`, or `[192.168.1.23]:2222` as OpenSSH writes a port that is not 22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from picluster.trust.host_key import HostKey

__all__ = ["KnownHosts"]

NOT_A_NAME = re.compile(r"[#@|*?!]")
"""With one of these it is a comment, a marker, a hash or a pattern."""


@dataclass(frozen=True, slots=True)
class _Entry:
    names: tuple[str, ...]
    key: HostKey


def _entry(line: str) -> _Entry | None:
    """None where the line is not understood."""
    names, _, rest = line.strip().partition(" ")
    if not names or NOT_A_NAME.search(names):
        return None
    try:
        return _Entry(tuple(names.split(",")), HostKey.parse(rest))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """Whose keys are known. What changes it makes another one."""

    lines: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> KnownHosts:
        return cls(tuple(text.splitlines()))

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def keys_of(self, name: str) -> tuple[HostKey, ...]:
        """In the order of their lines."""
        return tuple(entry.key for entry in self._entries() if name in entry.names)

    def names_of(self, key: HostKey) -> tuple[str, ...]:
        """Everybody who is known by this key."""
        return tuple(dict.fromkeys(name for entry in self._entries() if entry.key == key for name in entry.names))

    def add(self, name: str, key: HostKey) -> KnownHosts:
        """The node is known by this key too. Harmless where it is already."""
        return self if key in self.keys_of(name) else KnownHosts((*self.lines, f"{name} {key.text}"))

    def replace(self, name: str, key: HostKey) -> KnownHosts:
        """The node is known by this key, and by no other."""
        return self.forget(name).add(name, key)

    def forget(self, name: str) -> KnownHosts:
        """The node is known by no key. Others who share its lines still are."""
        return KnownHosts(tuple(left for line in self.lines for left in _without(line, name)))

    def _entries(self) -> Iterator[_Entry]:
        return (entry for line in self.lines if (entry := _entry(line)) is not None)


def _without(line: str, name: str) -> Iterator[str]:
    entry = _entry(line)
    if entry is None or name not in entry.names:
        yield line
    elif others := [other for other in entry.names if other != name]:
        yield f"{','.join(others)} {line.strip().partition(' ')[2]}"
