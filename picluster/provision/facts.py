"""What is asked of a node, and what it answers: one question for all, one answer for all.

The answer is JSON from a machine that may be old, broken or somebody else's: whatever is missing from it is the empty value
of its kind, and what is of the wrong kind is an error that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["AgentFact", "Facts", "FileFact", "InterfaceFact", "Question", "UnitFact"]


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that somebody wants to know of a node beyond what it always tells."""

    files: tuple[str, ...] = ()
    """Absolute paths, told with their content where they are small text."""
    secrets: tuple[str, ...] = ()
    """Absolute paths, told with their digest only."""
    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    """Names with dots: `net.ipv4.ip_forward`."""
    stamps: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    """SHA-256 digests of what may be there already."""
    links: tuple[str, ...] = ()
    """Symbolic links, told with their target."""
    groups: tuple[str, ...] = ()
    """Users whose groups are asked for."""


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file that is there."""

    digest: str
    """SHA-256 of its content, hexadecimal; empty for what is no regular file."""
    mode: int
    owner: str
    """`user:group`, by name."""
    content: bytes | None = field(default=None, repr=False)
    """None where it was not asked for, or is too long."""


@dataclass(frozen=True, slots=True)
class UnitFact:
    """A unit of systemd."""

    load: str
    """`loaded`, `not-found`, `masked` …"""
    enabled: str
    """`enabled`, `disabled`, `static`, `masked` …; empty where systemd has no word for it."""
    active: str
    """`active`, `inactive`, `failed`, `activating` …"""


@dataclass(frozen=True, slots=True)
class InterfaceFact:
    name: str
    mac: str
    addresses: tuple[str, ...]
    """With the length of the prefix: `192.168.1.21/24`."""
    wireless: bool
    up: bool


@dataclass(frozen=True, slots=True)
class AgentFact:
    """What the agent that runs on the node says of itself."""

    version: str
    node: str
    cluster: str
    epoch: int
    configuration: str
    """SHA-256 of the files that it lives by, as it read them; empty where it does not say."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One node as it was when it was asked."""

    host_name: str = ""
    system: str = ""
    """ID of /etc/os-release: `debian`, `raspbian`, `ubuntu`."""
    release: str = ""
    """Its code name: `bookworm`."""
    architecture: str = ""
    """The distribution's word: `arm64`, `armhf`, `amd64`."""
    python: str = ""
    """`3.11.2`."""
    libc: str = ""
    """glibc's version, `2.36`: it decides which wheels fit."""
    model: str = ""
    serial: str = ""
    machine_id: str = ""
    boot_id: str = ""
    uptime_s: float = 0.0
    clock_s: float = 0.0
    """Seconds since 1970, by its own clock."""
    memory_bytes: int = 0
    free_bytes: int = 0
    """On the root file system."""
    read_only: bool = False
    """Whether the root file system is."""
    command_line: str = ""
    """Of the running kernel."""
    time_zone: str = ""
    locale: str = ""
    synchronised: bool = False
    """Whether the clock is, by systemd."""
    cloud_init: str = ""
    """`running`, `done`, `disabled` …; empty where there is none."""
    package_lock: str = ""
    """Who has dpkg's lock now; empty where nobody has."""
    packages_broken: bool = False
    """Whether dpkg was left half-way."""
    reboot_required: bool = False
    interfaces: tuple[InterfaceFact, ...] = ()
    agent: AgentFact | None = None
    files: dict[str, FileFact] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    """Version by name, of those that are installed."""
    units: dict[str, UnitFact] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    blobs: frozenset[str] = frozenset()
    links: dict[str, str] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


def missing(facts: Facts, digests: Sequence[str]) -> tuple[str, ...]:
    """Which of these blobs the node does not have."""
    return tuple(digest for digest in digests if digest not in facts.blobs)
