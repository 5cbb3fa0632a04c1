"""Which wheel of a library fits a node: its tags, in the order of preference, and the choice among file names.

A wheel's name says where it runs: `zeroconf-0.154.0-cp311-cp311-manylinux_2_31_armv7l.whl` is for CPython 3.11, its ABI, and
ARMv7 with glibc 2.31 or newer. A node has a list of such tags that it can take, best first (PEP 425; PEP 600 for manylinux;
the order is that of pip). Both come from what the node has told of itself, so a controller of any kind chooses for all.

    armhf is two things     Debian's means ARMv7; Raspberry Pi OS's runs on the ARMv6 of the first Pis and of the Zero too,
                            and no manylinux wheel is for those. The board's model tells them apart.
    plain form              a library whose compiled parts are there for speed alone brings every one of them as Python
                            source too. Without them it fits every node: what ARMv6 gets, and a Python newer than it.
    Debian's packages       stand in for nothing here: python3-zeroconf is 0.47 in bookworm and 0.147 in trixie, both with
                            faults that are mended since; python3-ifaddr is 0.1.7 in bookworm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from picluster.provision.facts import Facts

__all__ = [
    "LIBRARIES",
    "OLDEST_PYTHON",
    "PLAIN_TAG",
    "Library",
    "Platform",
    "WheelName",
    "best",
    "expand",
    "newest",
    "notes",
    "platform_of",
    "release",
    "why_not",
]

OLDEST_PYTHON = (3, 11)
"""What picluster itself needs on a node."""
PLAIN_TAG = "py3-none-any"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l"}
"""The kernel's words, which wheels use, by the distribution's."""
ARMV6 = re.compile(r"Raspberry Pi (?:Model [AB]|Zero(?! 2)|Compute Module(?! \d))")
"""Boards with a BCM2835, by /proc/device-tree/model: later ones have a number after `Pi`, `Zero` or `Module`."""
OLDEST_LIBC = {"x86_64": 5, "aarch64": 17, "armv7l": 17}
"""glibc's 2.x of the first manylinux for that machine (PEP 513, PEP 599); ARMv6 never had one."""
LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
"""What manylinux_2_x was called before PEP 600."""
OLDEST_STABLE_ABI = 2
"""Python 3.2 brought abi3 (PEP 384)."""
FINAL = re.compile(r"\d+(?:\.\d+)*")
"""A version that is no pre-release and nobody's own (PEP 440)."""


@dataclass(frozen=True, slots=True)
class Library:
    """What the agent imports and is not its own. `at_least` is what pyproject.toml asks for."""

    name: str
    at_least: str
    compiled: bool
    """Whether it has compiled parts. It has to run without them too: then it fits every node."""


LIBRARIES = (Library("ifaddr", "0.2", compiled=False), Library("zeroconf", "0.149.17", compiled=True))


@dataclass(frozen=True)
class Platform:
    """All of a node that decides which wheels fit. Nodes of one platform get the same bytes."""

    machine: str
    """`aarch64`, `armv7l`, `armv6l`, `x86_64`, or whatever word the distribution has for another."""
    python: tuple[int, int]
    libc: tuple[int, int]
    """glibc's version; (0, 0) where it is unknown, and then no compiled wheel fits but one for just this machine."""

    def __str__(self) -> str:
        """For people, and as a directory's name."""
        return f"{self.machine}-python{_dotted(self.python)}-glibc{_dotted(self.libc)}"

    @property
    def interpreter(self) -> str:
        """`cp311`, which is the name of its ABI too."""
        return f"cp{self.python[0]}{self.python[1]}"

    @cached_property
    def machines(self) -> tuple[str, ...]:
        """The last parts of tags, best first. `linux_armv6l` is what piwheels.org makes."""
        return tuple(self._machines())

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Complete tags, best first."""
        return tuple(self._tags())

    def _machines(self) -> Iterator[str]:
        yield f"linux_{self.machine}"
        major, minor = self.libc
        if major != 2 or self.machine not in OLDEST_LIBC:
            return
        for version in range(minor, OLDEST_LIBC[self.machine] - 1, -1):
            yield f"manylinux_2_{version}_{self.machine}"
            if version in LEGACY:
                yield f"{LEGACY[version]}_{self.machine}"

    def _tags(self) -> Iterator[str]:
        own = self.interpreter
        major, minor = self.python
        for abi in (own, "abi3", "none"):
            yield from (f"{own}-{abi}-{machine}" for machine in self.machines)
        for older in range(minor - 1, OLDEST_STABLE_ABI - 1, -1):
            yield from (f"cp{major}{older}-abi3-{machine}" for machine in self.machines)
        pythons = [f"py{major}{minor}", f"py{major}", *(f"py{major}{older}" for older in range(minor - 1, -1, -1))]
        for python in pythons:
            yield from (f"{python}-none-{machine}" for machine in self.machines)
        yield f"{own}-none-any"
        yield from (f"{python}-none-any" for python in pythons)


@dataclass(frozen=True, slots=True)
class WheelName:
    """What a wheel's file name says: {library}-{version}(-{build})-{pythons}-{abis}-{machines}.whl, PEP 427."""

    library: str
    """Normalised: lower case, hyphens (PEP 503)."""
    version: str
    tags: frozenset[str]

    @classmethod
    def read(cls, name: str) -> WheelName | None:
        """None for what is no wheel's name."""
        parts = name.removesuffix(".whl").split("-")
        if not name.endswith(".whl") or len(parts) not in (5, 6) or not all(parts):
            return None
        library = re.sub(r"[-_.]+", "-", parts[0]).lower()
        return cls(library, parts[1], frozenset(expand("-".join(parts[-3:]))))

    @property
    def compiled(self) -> bool:
        return not all(tag.endswith("-none-any") for tag in self.tags)


def expand(tag: str) -> Iterator[str]:
    """All that a compressed tag stands for: `py2.py3-none-any` is py2-none-any and py3-none-any."""
    pythons, abis, machines = (part.split(".") for part in tag.split("-"))
    return (f"{python}-{abi}-{machine}" for python in pythons for abi in abis for machine in machines)


def why_not(facts: Facts) -> str:
    """Why no software of ours runs on such a node, as a sentence; empty where it does."""
    if not facts.python:
        return "it has no python3. Install it there: apt install python3"
    version = _pair(facts.python)
    if version < OLDEST_PYTHON:
        oldest = _dotted(OLDEST_PYTHON)
        return f"its Python is {facts.python}, and picluster needs {oldest} or newer: Debian 12 (bookworm) has it"
    return ""


def platform_of(facts: Facts) -> Platform:
    """Of a node for which `why_not` has no reason."""
    machine = MACHINES.get(facts.architecture, facts.architecture or "unknown")
    if facts.architecture == "armhf" and _is_armv6(facts):
        machine = "armv6l"
    return Platform(machine, _pair(facts.python), _pair(facts.libc))


def best(names: Iterable[str], library: str, version: str, tags: Sequence[str]) -> str | None:
    """The file name that fits best, of this library in this very version; None where none fits."""
    order = {tag: place for place, tag in enumerate(tags)}
    found: list[tuple[int, str]] = []
    for name in names:
        wheel = WheelName.read(name)
        if wheel and (wheel.library, wheel.version) == (library, version):
            found += [(order[tag], name) for tag in wheel.tags if tag in order]
    return min(found, default=(0, None))[1]


def newest(names: Iterable[str], library: Library) -> str | None:
    """The newest final version of which there is any wheel among these file names, and which is new enough."""
    wheels = filter(None, map(WheelName.read, names))
    versions = {wheel.version for wheel in wheels if wheel.library == library.name and FINAL.fullmatch(wheel.version)}
    wanted = release(library.at_least)
    return max((version for version in versions if release(version) >= wanted), key=release, default=None)


def release(version: str) -> tuple[int, ...]:
    """To compare final versions by: (0, 149, 17)."""
    numbers = [int(number) for number in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()  # 0.2.0 is 0.2 (PEP 440)
    return tuple(numbers)


def notes(names: Iterable[str]) -> tuple[str, ...]:
    """What people should know about a node's wheels, by their file names: a sentence for each that is second best."""
    compiled = {library.name for library in LIBRARIES if library.compiled}
    wheels = [wheel for wheel in map(WheelName.read, names) if wheel and wheel.library in compiled and not wheel.compiled]
    return tuple(f"{wheel.library} {wheel.version} comes in plain Python, without its compiled parts" for wheel in wheels)


def _is_armv6(facts: Facts) -> bool:
    """Where Raspberry Pi OS does not say on which board it runs, the oldest is assumed: what fits that fits all."""
    return bool(ARMV6.match(facts.model)) or (facts.system == "raspbian" and not facts.model)


def _pair(version: str) -> tuple[int, int]:
    """`3.11.2` → (3, 11); (0, 0) for what is no version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
