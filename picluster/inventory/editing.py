"""Writing into an inventory that somebody wrote by hand: only what changes is touched, everything else stays byte for byte.

A value is replaced where it stands; a key that is new goes below its neighbours. There is no writer of TOML here, and so
none that could have views on quotes, order or blank lines. In return the result is read again: unless it says exactly what
it said before, with nothing but these values changed, it is not handed out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from picluster.errors import InventoryError, Mistake
from picluster.inventory.lines import Statement, statements
from picluster.inventory.syntax import parse, plain

SECTION = "failover"
NUMBER = re.compile(r"^([^=]*=\s*)[-+0-9A-Za-z_]+")
"""A key and its number in one line; what follows it is kept."""
DOTTED = re.compile(rf"""^\s*["']?{SECTION}["']?\s*\.""")
"""A key of the section that is written without its header: `failover.lease_ms = 150`."""


def with_timers(text: str, source: str, timers: Mapping[str, int]) -> str:
    """The text of an inventory with these keys of `[failover]` set, and nothing else changed. InventoryError where it is no
    TOML, or written in a way in which only a person should edit it."""
    before = parse(plain(text), source)
    edited = _Edited(text, statements(plain(text)))
    for key, value in timers.items():
        edited.set(key, value)
    wanted = {**before, SECTION: {**before.get(SECTION, {}), **timers}}
    after = edited.text()
    if timers and _read_again(after, source) != wanted:
        by_hand = ", ".join(f"{key} = {value}" for key, value in timers.items())
        wrong = "this section is written in a way that cannot be edited safely"
        raise InventoryError([Mistake(source, None, SECTION, wrong, f"Write these into it by hand: {by_hand}")])
    return after


def _read_again(text: str, source: str) -> object:
    try:
        return parse(plain(text), source)
    except InventoryError:
        return None


class _Edited:
    """A text on its way. Lines keep their own ends, so a `\\r` stays where it was."""

    def __init__(self, text: str, found: list[Statement]) -> None:
        self._lines = text.split("\n")
        self._line_end = "\r" if "\r\n" in text else ""
        self._places = {one.path[1]: one.line - 1 for one in found if one.path[:1] == (SECTION,) and len(one.path) == 2}
        self._header = next((one.line - 1 for one in found if one.path == (SECTION,)), None)

    def text(self) -> str:
        return "\n".join(self._lines)

    def set(self, key: str, value: int) -> None:
        place = self._places.get(key)
        if place is not None:
            self._lines[place] = NUMBER.sub(rf"\g<1>{value}", self._lines[place])
        else:
            self._insert(key, value)

    def _insert(self, key: str, value: int) -> None:
        """Below the last key of the section, below its header, or in a section of its own at the end."""
        above = max(self._places.values(), default=self._header)
        if above is None:
            above = self._append_header()
        model = self._lines[above]
        indent = model[: len(model) - len(model.lstrip())]
        prefix = f"{SECTION}." if DOTTED.match(model) else ""
        if above == len(self._lines) - 1:
            self._end_last_line()
        self._lines.insert(above + 1, f"{indent}{prefix}{key} = {value}{self._line_end}")
        self._places[key] = above + 1

    def _append_header(self) -> int:
        if self._lines[-1]:
            self._end_last_line()
        self._lines[-1:] = [self._line_end, f"[{SECTION}]{self._line_end}", ""]
        self._header = len(self._lines) - 2
        return self._header

    def _end_last_line(self) -> None:
        """A text whose last line has no end gets one."""
        self._lines[-1] += self._line_end
        self._lines.append("")
