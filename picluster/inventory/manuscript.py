"""A TOML text that somebody wrote by hand, while single things in it are changed: all the rest stays byte for byte.

A value is replaced where it stands; what is new goes below its like, and looks like it; what goes takes along its own lines,
and the comments between and behind them, and no others. There is no writer of TOML here, and so none that could have
views on quotes, order or blank lines. In return nothing here knows whether the result means what it should: `editing`
reads it again.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

from picluster.inventory.lines import KeyPath, Statement, items, statements
from picluster.inventory.reader import spelled_out
from picluster.inventory.syntax import BYTE_ORDER_MARK

Setting = str | int

COMMA_AFTER = re.compile(r"[ \t]*,[ \t]*")
COMMA_BEFORE = re.compile(r"[ \t]*,[ \t]*$")
NOTHING_MORE = re.compile(r"[ \t]*,?[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)
"""After an item that is the last of its line."""


def spelled(value: Setting) -> str:
    """As TOML has it: the escapes of JSON are among its own."""
    return json.dumps(value) if isinstance(value, str) else str(value)


class Manuscript:
    """The text on its way. Lines keep their own ends, so a `\\r` stays where it was."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._line_end = "\r\n" if "\r\n" in text else "\n"

    @property
    def statements(self) -> list[Statement]:
        """Their offsets are those of the text as it is, marks of editors included."""
        return statements(self.text.replace(BYTE_ORDER_MARK, " ", 1) if self.text.startswith(BYTE_ORDER_MARK) else self.text)

    # ── single values ───────────────────────────────────────────────────────────────────────────────────────────────

    def set(self, path: KeyPath, value: str, below: KeyPath = ()) -> None:
        """Replace the key's value; a key that is new goes below the last one of its section, or below its header. A section
        that is new goes below that other one, or to the end."""
        found, section, key = self._key(path), path[:-1], path[-1]
        if found is not None:
            self._replace(found.value, found.end, value)
            return
        beside = [one for one in self.statements if one.header is not None and one.path[:-1] == section]
        above = beside[-1] if beside else self._header(section)
        if above is None:
            self._add_section(section, [f"{key} = {value}"], below)
            return
        line = self._line_of(above.begin)
        indent = self.text[line : above.begin].replace(BYTE_ORDER_MARK, "")
        # `failover.lease_ms = 150` is a key of its section that is written without the header.
        dotted = key if above.header is None else spelled_out((*section[len(above.header) :], key))
        self._insert_lines(self._line_after(above.end), [f"{indent}{dotted} = {value}"])

    def _header(self, path: KeyPath) -> Statement | None:
        return next((one for one in self.statements if one.path == path and one.header is None), None)

    def _key(self, path: KeyPath) -> Statement | None:
        return next((one for one in self.statements if one.path == path and one.header is not None), None)

    # ── lists and inline tables ─────────────────────────────────────────────────────────────────────────────────────

    def add_item(self, path: KeyPath, item: str) -> None:
        """At the end of a list or of an inline table. Nothing happens where there is none."""
        found = self._key(path)
        if found is None:
            return
        inside = items(self.text, found.value, found.end)
        if not inside:
            blank = " " if self.text[found.value] == "{" else ""
            self._replace(found.value + 1, found.value + 1, f"{blank}{item}{blank}")
            return
        begin, end = inside[-1]
        if not self._alone(found, begin, end):
            self._replace(end, end, f", {item}")
            return
        if not COMMA_AFTER.match(self.text, end):
            self._replace(end, end, ",")
        indent = self.text[self._line_of(begin) : begin]
        self._insert_lines(self._line_after(end), [f"{indent}{item},"])

    def remove_item(self, path: KeyPath, name: str) -> None:
        """The text of that name from a list, or the key of that name from an inline table. On a line of its own it goes with
        its comment."""
        found = self._key(path)
        if found is None:
            return
        for begin, end in items(self.text, found.value, found.end):
            if _name_of(self.text[begin:end]) == name:
                self._remove_item(found, begin, end)
                return

    def _remove_item(self, found: Statement, begin: int, end: int) -> None:
        if self._alone(found, begin, end):
            self._replace(self._line_of(begin), self._line_after(end), "")
            return
        after, before = COMMA_AFTER.match(self.text, end), COMMA_BEFORE.search(self.text[:begin])
        if after:
            end = after.end()
        elif before:
            begin = before.start()
        self._replace(begin, end, "")

    def _alone(self, found: Statement, begin: int, end: int) -> bool:
        """Whether the item has its line to itself."""
        line = self._line_of(begin)
        return line > found.value and not self.text[line:begin].strip() and NOTHING_MORE.match(self.text, end) is not None

    # ── whole sections ──────────────────────────────────────────────────────────────────────────────────────────────

    def add_named(self, path: KeyPath, settings: Mapping[str, Setting]) -> None:
        """A section `[nodes.pi4]` below the last one of its kind, or its like in the inline table that holds these."""
        pairs = [f"{key} = {spelled(value)}" for key, value in settings.items()]
        if self._key(path[:-1]) is not None:
            inner = f"{{ {', '.join(pairs)} }}" if pairs else "{}"
            self.add_item(path[:-1], f"{spelled_out(path[-1:])} = {inner}")
        else:
            self._add_section(path, pairs, path[:-1])

    def remove_named(self, path: KeyPath) -> None:
        """Everything that is said of it, in whichever way it is written."""
        self.remove_item(path[:-1], path[-1])
        while True:
            found = self.statements
            at = next((index for index, one in enumerate(found) if one.path[: len(path)] == path), None)
            if at is None:
                return
            last = at
            if found[at].header is None:
                while last + 1 < len(found) and found[last + 1].header is not None:
                    last += 1
            self._remove_lines(found[at].begin, found[last].end)

    def _remove_lines(self, begin: int, end: int) -> None:
        """Of two blank lines that meet then, one goes too."""
        first, after = self._line_of(begin), self._line_after(end)
        above, below = self.text[:first].splitlines()[-1:], self.text[after:].splitlines()[:1]
        if not "".join(above).strip() and below and not below[0].strip():
            after = self._line_after(after)
        elif above and not above[0].strip() and not below:
            first = self._line_of(first - 1)
        self._replace(first, after, "")

    def _add_section(self, path: KeyPath, lines: list[str], below: KeyPath) -> None:
        """Below the last of what begins like that, set off by a blank line where that is; or at the end."""
        alike = [one for one in self.statements if below and one.path[: len(below)] == below]
        section = [f"[{spelled_out(path)}]", *lines]
        if not alike or all(one.header == () for one in alike):
            self._insert_lines(len(self.text), ["", *section])
            return
        headers = [one for one in alike if one.header is None and len(one.path) == len(path) > 1]
        tight = len(headers) > 1 and self._touches_what_is_above(headers[-1])
        self._insert_lines(self._paragraph_after(alike[-1].end), section if tight else ["", *section])

    def _touches_what_is_above(self, header: Statement) -> bool:
        """Whether no blank line is between, but for comments."""
        lines = self.text[: self._line_of(header.begin)].splitlines()
        while lines and lines[-1].lstrip().startswith("#"):
            lines.pop()
        return bool(lines) and bool(lines[-1].strip())

    # ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _line_of(self, offset: int) -> int:
        """Where the line begins."""
        return self.text.rfind("\n", 0, offset) + 1

    def _line_after(self, offset: int) -> int:
        """Where the next line begins."""
        end = self.text.find("\n", offset)
        return len(self.text) if end < 0 else end + 1

    def _paragraph_after(self, offset: int) -> int:
        """The same, below comments that belong to what is above them: those that a blank line or the end follows."""
        begin = end = self._line_after(offset)
        while self.text[end : self._line_after(end)].lstrip(" \t").startswith("#"):
            end = self._line_after(end)
        return begin if self.text[end : self._line_after(end)].strip() else end

    def _insert_lines(self, at: int, lines: list[str]) -> None:
        """A text whose last line has no end gets one."""
        unended = at > 0 and self.text[at - 1] != "\n"
        self._replace(at, at, self._line_end * unended + "".join(f"{line}{self._line_end}" for line in lines))

    def _replace(self, begin: int, end: int, words: str) -> None:
        self.text = self.text[:begin] + words + self.text[end:]


def _name_of(item: str) -> object:
    """What an item of a list says, or which key one of an inline table sets."""
    for whole in (f"item = {item}", item):
        try:
            found = tomllib.loads(whole)
        except tomllib.TOMLDecodeError:
            continue
        return found["item"] if whole != item else next(iter(found))
    return None
