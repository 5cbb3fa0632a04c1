"""The kinds of files that a node should have. Each knows what to ask the node, and what differs from what it answered.

    TextFile   a file that is ours as a whole
    Line       a line in a file that belongs to others: the rest of it is none of our business
    Words      words of the one line that a kernel is started with
    Directory, Link, Absent

`picluster.provision.settings` has what is no file, `picluster.provision.services` what has to be told of a changed one.

Resources are asked in their order, and their steps are obeyed in that order: what needs something comes after it.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from picluster.errors import ProvisionError
from picluster.provision import steps
from picluster.provision.facts import Facts, FileFact, Question
from picluster.provision.plan import Change

__all__ = ["Absent", "Directory", "Line", "Link", "Lived", "Resource", "TextFile", "Words", "difference", "ours"]

PLAIN = 0o644
ROOT = "root:root"
HEADING = "# Written by picluster, which will write it again. docs/provisioning.md says what for.\n"


class Resource(Protocol):
    """One thing that a node should have."""

    @property
    def question(self) -> Question:
        """What has to be known of the node to compare."""
        ...

    def changes(self, facts: Facts) -> Iterator[Change]:
        """What is to be done, in order; nothing where the node has it. Raises ProvisionError where that cannot be told."""
        ...


class Lived(Resource, Protocol):
    """Something that a service lives by: it has to be told when this has changed."""

    @property
    def mark(self) -> str:
        """Another text whenever it is another thing."""
        ...


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that is ours as a whole."""

    part: str
    path: str
    content: bytes = field(repr=False)
    mode: int = PLAIN
    owner: str = ROOT
    secret: bool = False
    """Whether nobody may see what stands in it: it is compared by its digest, and never shown."""

    @property
    def question(self) -> Question:
        return Question(secrets=(self.path,)) if self.secret else Question(files=(self.path,))

    @property
    def mark(self) -> str:
        return f"{self.path} {hashlib.sha256(self.content).hexdigest()}"

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.files.get(self.path)
        reason = self._reason(found)
        if reason:
            step = steps.write(self.path, self.content, mode=self.mode, owner=self.owner, secret=self.secret)
            yield Change(self.part, self.path, reason, (step,), self._diff(found))

    def _reason(self, found: FileFact | None) -> str:
        if found is None:
            return "missing"
        if found.digest != hashlib.sha256(self.content).hexdigest():
            return "differs"
        return _wrong_rights(found, self.mode, self.owner)

    def _diff(self, found: FileFact | None) -> str:
        if self.secret or (found is not None and found.content is None):
            return ""
        return difference(self.path, b"" if found is None else found.content or b"", self.content)


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a text that belongs to others. Owner and mode of a file that is there stay, unless they are given."""

    part: str
    path: str
    line: str
    known_by: str = ""
    """How the line begins, whatever follows; by default it has to be there as a whole. White space does not count."""
    at_top: bool = False
    owner: str | None = None
    mode: int | None = None

    @property
    def question(self) -> Question:
        return Question(files=(self.path,))

    @property
    def mark(self) -> str:
        return f"{self.path} {self.line}"

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.files.get(self.path)
        before = _text(self.path, found)
        after = before if self._stands_in(before) else self._with_line(before)
        reason = "missing" if found is None else "lacks a line" if after != before else self._wrong_rights(found)
        if reason:
            mode = self.mode or (found.mode if found else PLAIN)
            owner = self.owner or (found.owner if found else ROOT)
            step = steps.write(self.path, after.encode(), mode=mode, owner=owner)
            yield Change(self.part, self.path, reason, (step,), difference(self.path, before.encode(), after.encode()))

    def _stands_in(self, text: str) -> bool:
        begin = f"{_spaced(self.known_by or self.line)} "
        return any(f"{_spaced(line)} ".startswith(begin) for line in text.splitlines())

    def _with_line(self, text: str) -> str:
        if self.at_top:
            return f"{self.line}\n{text}"
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{self.line}\n"

    def _wrong_rights(self, found: FileFact) -> str:
        return _wrong_rights(found, found.mode if self.mode is None else self.mode, self.owner or found.owner)


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the one line that the firmware starts the kernel with (cmdline.txt): only those that are missing are added.
    What stands there belongs to others, and a second line would be lost."""

    part: str
    path: str
    words: tuple[str, ...]
    instead_of: str = ""
    """How other words for the same thing begin: they give way."""
    in_force: bool = True
    """Whether the running kernel does as it should, so that the words need no reboot."""

    @property
    def question(self) -> Question:
        return Question(files=(self.path,))

    @property
    def mark(self) -> str:
        return f"{self.path} {' '.join(self.words)}"

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.files.get(self.path)
        before = _text(self.path, found)
        had = before.split()
        if set(self.words) <= set(had):
            if not self.in_force:
                yield Change(self.part, self.path, f"{' '.join(self.words)} waits for a reboot", (), reboot=True)
            return
        kept = [word for word in had if word in self.words or not (self.instead_of and word.startswith(self.instead_of))]
        lacking = [word for word in self.words if word not in had]
        after = " ".join([*kept, *lacking]) + "\n"
        reason = "missing" if found is None else f"lacks {' '.join(lacking)}"
        mode, owner = (found.mode, found.owner) if found else (PLAIN, ROOT)
        step = steps.write(self.path, after.encode(), mode=mode, owner=owner)
        diff = difference(self.path, before.encode(), after.encode())
        yield Change(self.part, self.path, reason, (step,), diff, reboot=not self.in_force)


@dataclass(frozen=True, slots=True)
class Directory:
    part: str
    path: str
    mode: int
    owner: str

    @property
    def question(self) -> Question:
        return Question(secrets=(self.path,))

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.files.get(self.path)
        reason = "missing" if found is None else _wrong_rights(found, self.mode, self.owner)
        if reason:
            yield Change(self.part, self.path, reason, (steps.directory(self.path, mode=self.mode, owner=self.owner),))


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    part: str
    path: str
    target: str

    @property
    def question(self) -> Question:
        return Question(links=(self.path,))

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.links.get(self.path)
        if found != self.target:
            reason = "missing" if found is None else f"leads to {found}"
            yield Change(self.part, self.path, reason, (steps.link(self.path, self.target),))


@dataclass(frozen=True, slots=True)
class Absent:
    """A file of ours that has no purpose any more."""

    part: str
    path: str

    @property
    def question(self) -> Question:
        return Question(files=(self.path,))

    @property
    def mark(self) -> str:
        return f"{self.path} absent"

    def changes(self, facts: Facts) -> Iterator[Change]:
        found = facts.files.get(self.path)
        if found is not None:
            diff = difference(self.path, found.content or b"", b"")
            yield Change(self.part, self.path, "is not needed any more", (steps.remove(self.path),), diff)


def ours(part: str, path: str, text: str) -> TextFile:
    """A file of ours that says so, in a format in which # begins a comment."""
    return TextFile(part, path, f"{HEADING}{text}".encode())


def difference(path: str, before: bytes, after: bytes) -> str:
    """A unified diff; empty where they are alike, or one of them is no text."""
    try:
        old, new = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return ""
    return "\n".join(difflib.unified_diff(old, new, path, path, lineterm=""))


def _text(path: str, found: FileFact | None) -> str:
    """What stands in a file that is to be edited. Raises ProvisionError where that cannot be known: it must not be lost."""
    if found is None:
        return ""
    try:
        return (found.content or b"").decode() if found.content is not None else _unreadable(path)
    except UnicodeDecodeError:
        return _unreadable(path)


def _unreadable(path: str) -> str:
    raise ProvisionError(f"{path} is no text, or too long a one to be edited. Look at it on the node")


def _wrong_rights(found: FileFact, mode: int, owner: str) -> str:
    if found.owner != owner:
        return f"belongs to {found.owner}, not {owner}"
    return f"has mode {found.mode:04o}, not {mode:04o}" if found.mode != mode else ""


def _spaced(line: str) -> str:
    return " ".join(line.split())
