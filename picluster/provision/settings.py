"""The kinds of settings that are no file, or more than one: names, clock, packages, kernel, user, software.

What counts is what the node lives by, so each is compared with the live state where there is one: the kernel's host name,
its settings, its clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picluster.errors import ProvisionError
from picluster.provision import steps
from picluster.provision.facts import Facts, Question
from picluster.provision.plan import Change
from picluster.provision.resources import Line, difference
from picluster.provision.steps import Blob, Step

__all__ = ["Clock", "HostName", "Locale", "OldSoftware", "Packages", "Software", "Sysctl", "TimeZone", "User"]

CLOCK_ERROR_S = 60.0
"""A clock that is further away is set at once: certificates and package lists are refused over less. What is nearer is left
to the node's own synchronisation, which does not jump."""
SPANS = ((365 * 86_400, "years"), (86_400, "days"), (3_600, "hours"), (60, "minutes"))
ENVIRONMENTS = "environments"
"""The stamp that lists the places of all environments that were ever begun and not yet removed, one a line."""
SAME_ZONES = {"Etc/UTC": "UTC", "": "UTC"}
"""A node without /etc/localtime has UTC (man 5 localtime)."""


@dataclass(frozen=True, slots=True)
class Clock:
    """No Pi before the fifth has a clock that runs without power."""

    part: str
    now_s: float
    """The controller's time, in seconds since 1970."""

    @property
    def question(self) -> Question:
        return Question()

    def changes(self, facts: Facts) -> Iterator[Change]:
        error_s = facts.clock_s - self.now_s
        if abs(error_s) > CLOCK_ERROR_S and not facts.synchronised:
            set_it = steps.run("date", "-u", "-s", f"@{self.now_s:.0f}")
            yield Change(self.part, "clock", f"is {span(error_s)} {'ahead' if error_s > 0 else 'behind'}", (set_it,))


@dataclass(frozen=True, slots=True)
class HostName:
    part: str
    name: str

    @property
    def question(self) -> Question:
        return Question(files=("/etc/hostname", "/etc/hosts"))

    @property
    def mark(self) -> str:
        return self.name

    def changes(self, facts: Facts) -> Iterator[Change]:
        reason = self._reason(facts)
        if reason:
            diff = difference("/etc/hostname", _content(facts, "/etc/hostname"), f"{self.name}\n".encode())
            yield Change(self.part, "host name", reason, (steps.host_name(self.name),), diff)

    def _reason(self, facts: Facts) -> str:
        if facts.host_name != self.name:
            return f"is {facts.host_name}"
        if _content(facts, "/etc/hostname").decode(errors="replace").strip() != self.name:
            return "is another one after the next boot"
        lines = _content(facts, "/etc/hosts").decode(errors="replace").splitlines()
        own = [line.partition("#")[0].split() for line in lines]
        known = any(words[1:2] and words[0] == "127.0.1.1" and self.name in words[1:] for words in own)
        return "" if known else "is not in /etc/hosts, so every sudo asks a name server"


@dataclass(frozen=True, slots=True)
class TimeZone:
    part: str
    zone: str

    @property
    def file(self) -> str:
        return f"/usr/share/zoneinfo/{self.zone}"

    @property
    def question(self) -> Question:
        return Question(files=("/etc/timezone",), secrets=(self.file,), packages=("tzdata",), links=("/etc/localtime",))

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = SAME_ZONES.get(facts.time_zone, facts.time_zone)
        if found != SAME_ZONES.get(self.zone, self.zone):
            if "tzdata" in facts.packages and self.file not in facts.files:
                mend = "Mend [system] time_zone in the inventory: `timedatectl list-timezones` has all"
                raise ProvisionError(f"this system knows no time zone {self.zone}. {mend}")
            yield Change(self.part, "time zone", f"is {found}", tuple(self._steps(facts)))

    def _steps(self, facts: Facts) -> Iterator[Step]:
        # Debian up to bookworm has the name in a file as well; newer ones have given that up.
        if "/etc/timezone" in facts.files:
            yield steps.write("/etc/timezone", f"{self.zone}\n".encode())
        yield steps.link("/etc/localtime", self.file)


@dataclass(frozen=True, slots=True)
class Locale:
    """Made first and named last: so a node that names it has it."""

    part: str
    name: str
    """`de_DE.UTF-8`."""

    @property
    def question(self) -> Question:
        return Question(files=("/etc/default/locale", "/etc/locale.conf", "/etc/locale.gen"), links=("/etc/default/locale",))

    def changes(self, facts: Facts) -> Iterator[Change]:
        if facts.locale == self.name:
            return
        made = Line(self.part, "/etc/locale.gen", f"{self.name} {self.name.rpartition('.')[2]}")
        listed = [step for change in made.changes(facts) for step in change.steps]
        # Debian's systemd has made /etc/default/locale a link to /etc/locale.conf since version 253.
        path = "/etc/locale.conf" if "/etc/default/locale" in facts.links else "/etc/default/locale"
        content = f"LANG={self.name}\n".encode()
        named = steps.write(path, content)
        reason = f"is {facts.locale or 'not set'}"
        diff = difference(path, _content(facts, path), content)
        yield Change(self.part, "locale", reason, (*listed, steps.run("locale-gen"), named), diff)


@dataclass(frozen=True, slots=True)
class Packages:
    """Of the distribution: all that are missing in one go, since apt is what takes the time."""

    part: str
    names: tuple[str, ...]

    @property
    def question(self) -> Question:
        return Question(packages=self.names)

    def changes(self, facts: Facts) -> Iterator[Change]:
        missing = [name for name in self.names if name not in facts.packages]
        if missing:
            what = f"package{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
            yield Change(self.part, what, "missing", (steps.packages(missing),))
        elif facts.packages_broken:
            yield Change(self.part, "dpkg", "was left half-way, and would refuse the next package", (steps.packages(()),))


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A setting of the running kernel. What the kernel does not have is left alone."""

    part: str
    name: str
    value: str

    @property
    def question(self) -> Question:
        return Question(sysctls=(self.name,))

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.sysctls.get(self.name)
        if found is not None and found != self.value:
            yield Change(self.part, self.name, f"is {found}, not {self.value}", (steps.sysctl(self.name, self.value),))


@dataclass(frozen=True, slots=True)
class User:
    """A user of the system, as sysusers.d(5) describes it; that file has to be there before."""

    part: str
    name: str
    described_in: str

    @property
    def question(self) -> Question:
        return Question(files=("/etc/passwd",))

    def changes(self, facts: Facts) -> Iterator[Change]:
        lines = _content(facts, "/etc/passwd").decode(errors="replace").splitlines()
        if not any(line.startswith(f"{self.name}:") for line in lines):
            made = steps.run("systemd-sysusers", self.described_in)
            yield Change(self.part, f"user {self.name}", "missing", (made,))


@dataclass(frozen=True, slots=True)
class Software:
    """The agent's own environment: there under its digest, and swapped in by a link when it is whole."""

    part: str
    path: str
    link: str
    program: str
    wheels: tuple[Blob, ...]

    @property
    def question(self) -> Question:
        # Not the place below its digest: the wheels are chosen by what the node answers, so nobody knows it yet.
        blobs = tuple(wheel.digest for wheel in self.wheels)
        program = f"{self.link}/bin/{self.program}"
        return Question(secrets=(program,), links=(self.link,), stamps=(ENVIRONMENTS,), blobs=blobs)

    @property
    def mark(self) -> str:
        return self.path

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.links.get(self.link)
        whole = f"{self.link}/bin/{self.program}" in facts.files
        if found == self.path and whole:
            return
        reason = "missing" if found is None else "is another version" if found != self.path else "is not whole"
        places = sorted({*_places(facts, self.link), self.path})
        listed = steps.stamp(ENVIRONMENTS, "\n".join(places))
        made = steps.environment(self.path, self.wheels, self.program)
        yield Change(self.part, "software", reason, (listed, made, steps.link(self.link, self.path)))


@dataclass(frozen=True, slots=True)
class OldSoftware:
    """Environments that the link does not lead to any more. They go after the restart: until then it runs in one."""

    part: str
    link: str

    @property
    def question(self) -> Question:
        return Question(links=(self.link,), stamps=(ENVIRONMENTS,))

    def changes(self, facts: Facts) -> Iterator[Change]:
        current = facts.links.get(self.link, "")
        old = [place for place in _places(facts, self.link) if place != current]
        if old:
            removed = (steps.remove(place) for place in old)
            yield Change(self.part, "old software", "is not needed any more", (*removed, steps.stamp(ENVIRONMENTS, current)))


def span(seconds: float) -> str:
    """A length of time as people say it: `3 years`."""
    long = abs(seconds)
    for unit, name in SPANS:
        if long >= 2 * unit:
            return f"{long / unit:.0f} {name}"
    return f"{long:.0f} seconds"


def _places(facts: Facts, link: str) -> list[str]:
    """Of all environments that may be there: those that are listed, and the one in use. By its name it has to be ours."""
    places = {*facts.stamps.get(ENVIRONMENTS, "").splitlines(), facts.links.get(link, "")}
    return sorted(place for place in places if place.startswith(f"{link}-"))


def _content(facts: Facts, path: str) -> bytes:
    found = facts.files.get(path)
    return (found.content or b"") if found else b""
