"""Reads typed values out of parsed TOML and collects what is wrong, so that one run reports every mistake of a file.

A `Table` is one section. Each of its methods takes a key and returns its value, or the default where the key is missing or
wrong; in the latter case the mistake has been noted with its line and how to mend it. So the code that builds values reads
as if nothing could go wrong, and nobody looks at a value before `Findings.raise_if_any`.
"""

from __future__ import annotations

import datetime
import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from picluster.errors import InventoryError, Mistake
from picluster.inventory.lines import KeyPath, Lines
from picluster.model.inventory import IPAddress

Value = TypeVar("Value")
Schema = Mapping[str, Sequence[str]]
"""The keys that each section knows: `nodes.*` stands for every section `[nodes.NAME]`, the empty name for the whole file."""

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""A label of RFC 1123 in lower case, of at most 32 characters: it becomes a host name and an mDNS instance name."""
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
LONGEST_QUOTE = 60
MOST_LISTED = 10

KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number with a fraction",
    str: "text in quotes",
    list: "a list",
    dict: "a section",
    datetime.datetime: "a date",
    datetime.date: "a date",
    datetime.time: "a time",
}


class Findings:
    """The mistakes of one file so far."""

    def __init__(self, source: str, text: str, schema: Schema) -> None:
        self.source = source
        self.schema = schema
        self._text = text
        self._mistakes: list[Mistake] = []

    @cached_property
    def _lines(self) -> Lines:
        """Read only once something is wrong: a good file costs nothing more."""
        return Lines(self._text)

    def add(self, path: KeyPath, wrong: str, mend: str) -> None:
        """Notes a mistake. Both sentences go without a full stop at their end."""
        self._mistakes.append(Mistake(self.source, self._lines.line_of(path), spelled_out(path), wrong, mend))

    @property
    def mistakes(self) -> list[Mistake]:
        """In the order of their lines; what concerns the file as a whole comes first."""
        return sorted(self._mistakes, key=lambda mistake: mistake.line or 0)

    def raise_if_any(self) -> None:
        if self._mistakes:
            raise InventoryError(self.mistakes)


class Table:
    """One section while it is read. `pattern` is its name in the schema."""

    def __init__(self, findings: Findings, content: Mapping[str, Any], path: KeyPath = (), pattern: str = "") -> None:
        self.findings = findings
        self.path = path
        self._content = content
        self._pattern = pattern
        known = findings.schema[pattern]
        for key in content:
            if key not in known:
                self._report_unknown(key, known)

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def add(self, key: str, wrong: str, mend: str) -> None:
        """Notes a mistake at one of the section's keys."""
        self.findings.add((*self.path, key), wrong, mend)

    def _report_unknown(self, key: str, known: Sequence[str]) -> None:
        elsewhere = [section for section, keys in self.findings.schema.items() if key in keys and section != self._pattern]
        if elsewhere:
            mend = (
                f"It belongs in [{elsewhere[0].replace('*', 'NAME')}]"
                if elsewhere[0]
                else "It belongs at the top of the file"
            )
        elif near := nearest(key, known):
            mend = f"Perhaps you mean {near}"
        else:
            mend = f"Known here: {', '.join(known)}"
        self.add(key, "unknown section" if isinstance(self._content[key], dict) else "unknown key", mend)

    def _take(self, key: str, kind: type[Value], mend: str) -> Value | None:
        """The value if it is exactly of this kind: for TOML, `true` is no number and 1.0 is no whole one."""
        if key not in self._content:
            return None
        found = self._content[key]
        if type(found) is kind:
            return found
        self.add(key, f"expected {KINDS[kind]}, found {KINDS.get(type(found), 'something else')}", mend)
        return None

    def missing(self, key: str, example: str) -> None:
        self.add(key, "missing", f"Add a line such as {key} = {example}")

    def text(self, key: str, example: str, *, required: bool = False) -> str | None:
        if required and key not in self._content:
            self.missing(key, example)
        return self._take(key, str, f"Write {key} = {example}")

    def choice(self, key: str, options: Sequence[str], default: str) -> str:
        """One of the options."""
        found = self.text(key, quoted(default))
        if found is None or found in options:
            return default if found is None else found
        self.add(key, f"{quoted(found)} is not known here", suggestion(found, options))
        return default

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        """A whole number from low to high, both included."""
        found = self._take(key, int, f"Write a whole number without quotes, such as {key} = {default}")
        if found is None:
            return default
        if low <= found <= high:
            return found
        self.add(key, *out_of_range(found, low, high))
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        found = self._take(key, bool, f"Write {key} = true or {key} = false, without quotes")
        return default if found is None else found

    def names(self, key: str, example: str = '["pi1", "pi2", "pi3"]') -> tuple[str, ...] | None:
        """A list of text without repetition; None where it is missing or wrong."""
        mend = f"Write a list of texts in quotes, {key} = {example}"
        found = self._take(key, list, mend)
        if found is None:
            return None
        if not all(isinstance(name, str) for name in found):
            self.add(key, "the list holds something that is not text in quotes", mend)
            return None
        unique = tuple(dict.fromkeys(found))
        for name in unique:
            if found.count(name) > 1:
                self.add(key, f"{quoted(name)} is named {found.count(name)} times", "Name it once")
        return unique

    def address(self, key: str, example: str, *, required: bool = False) -> IPAddress | None:
        """A single IP address, without prefix length and zone."""
        found = self.text(key, quoted(example), required=required)
        if found is None:
            return None
        bare, slash, _ = found.partition("/")
        try:
            address = ipaddress.ip_address(bare)
        except ValueError:
            self.add(key, f"{quoted(found)} is no IP address", f"Write one such as {quoted(example)}")
            return None
        if slash:
            self.add(key, f"{quoted(found)} has a prefix length", f"Write {quoted(bare)}: only network.subnet has one")
            return None
        return self._without_zone(key, address)

    def _without_zone(self, key: str, address: IPAddress) -> IPAddress | None:
        zone = address.scope_id if isinstance(address, ipaddress.IPv6Address) else None
        if zone is None:
            return address
        wrong = f"{quoted(str(address))} names the zone {quoted(zone)}, which every machine calls as it likes"
        self.add(key, wrong, "Write an address that is valid in the whole network, and leave out the % and what follows")
        return None

    def table(self, key: str) -> Table | None:
        """The section below; None where there is none."""
        pattern = f"{self._pattern}.{key}".lstrip(".")
        path = (*self.path, key)
        content = self._take(key, dict, f"Start it with a line [{spelled_out(path)}], keys below")
        return None if content is None else Table(self.findings, content, path, pattern)

    def section(self, key: str) -> Table:
        """The section below; where there is none, an empty one, so that its keys have their defaults."""
        pattern = f"{self._pattern}.{key}".lstrip(".")
        return self.table(key) or Table(self.findings, {}, (*self.path, key), pattern)

    def named_sections(self, key: str, example: str) -> dict[str, Table]:
        """The sections `[KEY.NAME]` by name, the name itself checked."""
        mend = f"Give each a section of its own, [{key}.{example}]"
        content = self._take(key, dict, mend) or {}
        found: dict[str, Table] = {}
        for name, inner in content.items():
            path = (*self.path, key, name)
            if not isinstance(inner, dict):
                self.findings.add(path, f"expected a section, found {KINDS.get(type(inner), 'something else')}", mend)
                continue
            check_name(self.findings, path, name, content)
            found[name] = Table(self.findings, inner, path, f"{key}.*")
        return found

    def numbers(self, key: str, low: int, high: int, example: str) -> dict[str, int]:
        """An inline table of whole numbers by name, each from low to high; wrong ones are left out."""
        mend = f"Write {key} = {example}"
        content = self._take(key, dict, mend) or {}
        found: dict[str, int] = {}
        for name, number in content.items():
            path = (*self.path, key, name)
            if type(number) is not int:
                self.findings.add(path, f"expected a whole number, found {KINDS.get(type(number), 'something else')}", mend)
            elif not low <= number <= high:
                self.findings.add(path, *out_of_range(number, low, high))
            else:
                found[name] = number
        return found


def check_name(findings: Findings, path: KeyPath, name: str, others: Iterable[str] = ()) -> None:
    """Notes a name that is no RFC 1123 label, or differs from another only in its case."""
    if NAME.fullmatch(name):
        return
    lower = name.lower()
    if lower != name and lower in others:
        findings.add(path, f"differs from {lower} only in capital letters", "Names are lower-case: rename one, or delete it")
        return
    wrong = f"{quoted(name)} is no name"
    rule = "1 to 32 lower-case letters, digits and hyphens, no hyphen at either end"
    findings.add(path, wrong, f"Write {lower}" if NAME.fullmatch(lower) else f"Use {rule}")


def nearest(word: str, options: Iterable[str]) -> str | None:
    """The option that the word is probably a slip of."""
    close = difflib.get_close_matches(word[:LONGEST_QUOTE].lower(), list(options), n=1, cutoff=0.6)
    return close[0] if close else None


def suggestion(word: str, options: Sequence[str]) -> str:
    """What to write in place of a word that is none of the options."""
    if near := nearest(word, options):
        return f"Perhaps you mean {quoted(near)}"
    listed = ", ".join(quoted(option) for option in options[:MOST_LISTED])
    return f"Write one of: {listed}{', …' if len(options) > MOST_LISTED else ''}"


def out_of_range(number: int, low: int, high: int) -> tuple[str, str]:
    """What is wrong and how to mend it. Numbers stand as TOML takes them, 5_000. Python refuses
    to print numbers of thousands of digits, so no such number is printed."""
    spelled = f"{number:_}" if abs(number) < 10**15 else "the number"
    return f"{spelled} is out of range", f"Write a number from {low:_} to {high:_}"


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def quoted(text: str) -> str:
    """As it would stand in the file, fit for a terminal: no control characters, not endless."""
    visible = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shortened(text))
    return f'"{visible}"'


def spelled_out(path: KeyPath) -> str:
    """The path as one dotted key."""
    return ".".join(part if BARE_KEY.fullmatch(part) and len(part) <= LONGEST_QUOTE else quoted(part) for part in path)
