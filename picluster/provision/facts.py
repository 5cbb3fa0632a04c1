"""What is asked of a node, and what it answers: one question for all, one answer for all.

The answer is JSON from a machine that may be old, broken or somebody else's: whatever is missing from it is the empty value
of its kind, and what is of the wrong kind is an error that names it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from picluster.errors import ProvisionError

__all__ = [
    "AgentFact",
    "Facts",
    "FileFact",
    "InterfaceFact",
    "Question",
    "UnitFact",
    "covers",
    "merged",
    "missing",
    "read_facts",
]


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


def merged(questions: Iterable[Question]) -> Question:
    """One question that asks all of them, each thing once, in the order of first mention. A file that is asked for
    with its content is not asked for without."""
    asked: dict[str, dict[str, None]] = {one.name: {} for one in fields(Question)}
    for question in questions:
        for name, known in asked.items():
            known.update(dict.fromkeys(getattr(question, name)))
    for path in asked["files"]:
        asked["secrets"].pop(path, None)
    return Question(**{name: tuple(known) for name, known in asked.items()})


def covers(asked: Question, wanted: Question) -> bool:
    """Whether who asked the one need not ask the other. A file asked for with its content need not be asked for without."""
    seen = {*asked.files, *asked.secrets}
    others = [one.name for one in fields(Question) if one.name not in {"files", "secrets"}]
    return (
        set(wanted.files) <= set(asked.files)
        and set(wanted.secrets) <= seen
        and all(set(getattr(wanted, name)) <= set(getattr(asked, name)) for name in others)
    )


def read_facts(answer: Mapping[str, object]) -> Facts:
    """Facts from the JSON of the node program: the same names, files' content in base64, blobs a list, interfaces and agent
    objects. What is missing, or null, is the empty value of its kind. Raises ProvisionError where something is of another
    kind, with its name; unknown names are left alone, since the node's program may be the newer one."""
    read = _Reader(answer, "")
    agent = answer.get("agent")
    return Facts(
        host_name=read.text("host_name"),
        system=read.text("system"),
        release=read.text("release"),
        architecture=read.text("architecture"),
        python=read.text("python"),
        libc=read.text("libc"),
        model=read.text("model"),
        serial=read.text("serial"),
        machine_id=read.text("machine_id"),
        boot_id=read.text("boot_id"),
        uptime_s=read.number("uptime_s"),
        clock_s=read.number("clock_s"),
        memory_bytes=read.whole("memory_bytes"),
        free_bytes=read.whole("free_bytes"),
        read_only=read.yes("read_only"),
        command_line=read.text("command_line"),
        time_zone=read.text("time_zone"),
        locale=read.text("locale"),
        synchronised=read.yes("synchronised"),
        cloud_init=read.text("cloud_init"),
        package_lock=read.text("package_lock"),
        packages_broken=read.yes("packages_broken"),
        reboot_required=read.yes("reboot_required"),
        interfaces=tuple(_interface(one) for one in read.objects("interfaces")),
        agent=None if agent is None else _agent(read.object_of("agent", agent)),
        files={path: _file(one) for path, one in read.objects_by_name("files").items()},
        packages=read.texts_by_name("packages"),
        units={name: _unit(one) for name, one in read.objects_by_name("units").items()},
        sysctls=read.texts_by_name("sysctls"),
        stamps=read.texts_by_name("stamps"),
        blobs=frozenset(read.texts("blobs")),
        links=read.texts_by_name("links"),
        groups={name: read.texts_of(f"groups.{name}", names) for name, names in read.table("groups").items()},
    )


class _Reader:
    """One object of the answer: each method gives a member of that name, or says that it is of the wrong kind."""

    def __init__(self, values: Mapping[str, object], place: str) -> None:
        self._values = values
        self._place = place

    def text(self, name: str) -> str:
        found = self._values.get(name)
        return "" if found is None else self._text_of(name, found)

    def number(self, name: str) -> float:
        found = self._values.get(name)
        if found is None:
            return 0.0
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(name, "a number", found)
        return float(found)

    def whole(self, name: str) -> int:
        found = self._values.get(name)
        if found is None:
            return 0
        if isinstance(found, bool) or not isinstance(found, int):
            raise self._wrong(name, "a whole number", found)
        return found

    def yes(self, name: str) -> bool:
        found = self._values.get(name)
        if found is not None and not isinstance(found, bool):
            raise self._wrong(name, "true or false", found)
        return bool(found)

    def content(self, name: str) -> bytes | None:
        """None where there is none."""
        found = self._values.get(name)
        if found is None:
            return None
        try:
            return base64.b64decode(self._text_of(name, found), validate=True)
        except (binascii.Error, ValueError):
            raise self._wrong(name, "base64", found) from None

    def texts(self, name: str) -> tuple[str, ...]:
        return self.texts_of(name, self._values.get(name))

    def texts_of(self, name: str, found: object) -> tuple[str, ...]:
        return tuple(self._text_of(name, one) for one in self._list_of(name, found))

    def table(self, name: str) -> Mapping[str, object]:
        found = self._values.get(name)
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise self._wrong(name, "an object", found)
        return found

    def texts_by_name(self, name: str) -> dict[str, str]:
        return {key: self._text_of(f"{name}.{key}", value) for key, value in self.table(name).items()}

    def objects(self, name: str) -> Iterator[_Reader]:
        for number, found in enumerate(self._list_of(name, self._values.get(name))):
            yield self.object_of(f"{name}[{number}]", found)

    def objects_by_name(self, name: str) -> dict[str, _Reader]:
        return {key: self.object_of(f"{name}.{key}", value) for key, value in self.table(name).items()}

    def object_of(self, name: str, found: object) -> _Reader:
        if not isinstance(found, Mapping):
            raise self._wrong(name, "an object", found)
        return _Reader(found, f"{self._place}{name}.")

    def _list_of(self, name: str, found: object) -> Sequence[object]:
        if found is None:
            return ()
        if not isinstance(found, list | tuple):
            raise self._wrong(name, "a list", found)
        return found

    def _text_of(self, name: str, found: object) -> str:
        if not isinstance(found, str):
            raise self._wrong(name, "text", found)
        return found

    def _wrong(self, name: str, kind: str, found: object) -> ProvisionError:
        """Says the kind of what is there and not the thing itself: it is somebody else's, and may be long."""
        mend = "Is that node's python3 what the distribution put there?"
        return ProvisionError(f"the node's answer is odd: {self._place}{name} is {type(found).__name__}, not {kind}. {mend}")


def _file(read: _Reader) -> FileFact:
    return FileFact(read.text("digest"), read.whole("mode"), read.text("owner"), read.content("content"))


def _unit(read: _Reader) -> UnitFact:
    return UnitFact(read.text("load"), read.text("enabled"), read.text("active"))


def _interface(read: _Reader) -> InterfaceFact:
    return InterfaceFact(read.text("name"), read.text("mac"), read.texts("addresses"), read.yes("wireless"), read.yes("up"))


def _agent(read: _Reader) -> AgentFact:
    texts = (read.text("version"), read.text("node"), read.text("cluster"))
    return AgentFact(*texts, read.whole("epoch"), read.text("configuration"))
