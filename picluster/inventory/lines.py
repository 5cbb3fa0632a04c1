"""Where each key of a TOML text stands. `tomllib` says what a file means but not on which line, and a mistake without its
line is a search.

The scanner walks over the text once, statement by statement, as the TOML 1.0 grammar cuts them: a header `[a.b]`, or
`key = value`. It finds where a key ends and where a value ends, and nothing more; what a quoted key spells is left to
`tomllib`. Keys inside an inline table or a list count as standing where the statement starts.

It trusts the text to be valid, since `tomllib` has judged it first; in a text that is not, what it finds before the error is
right, and it always comes to an end.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

KeyPath = tuple[str, ...]

QUOTES = "\"'"
OPENING, CLOSING = "[{", "]}"


@dataclass(frozen=True, slots=True)
class Statement:
    """A header or a key that the text spells out, with the line on which it starts, counted from 1."""

    path: KeyPath
    line: int
    header: KeyPath | None = None
    """The header that it stands under, empty at the top; None: it is a header itself."""
    begin: int = 0
    """Offsets into the text: where it begins,"""
    value: int = 0
    """where its value does,"""
    end: int = 0
    """and where that ends, before blanks and a comment."""


class Lines:
    """Looks up lines by dotted path."""

    def __init__(self, text: str) -> None:
        self.statements = statements(text)
        self._lines: dict[KeyPath, int] = {}
        for statement in self.statements:
            for length in range(1, len(statement.path) + 1):
                self._lines.setdefault(statement.path[:length], statement.line)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of the path, or of the nearest thing around it that is spelled out; None where nothing is."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None

    def repetition(self, line: int) -> tuple[Statement, Statement] | None:
        """The statement that line belongs to, and the earlier one that it repeats; None where it repeats nothing."""
        until = [statement for statement in self.statements if statement.line <= line]
        if not until:
            return None
        first = next(statement for statement in until if statement.path == until[-1].path)
        return None if first is until[-1] else (first, until[-1])


def statements(text: str) -> list[Statement]:
    """All headers and keys of the text, in their order."""
    return _Scanner(text).scan()


def items(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    """Where the items of a list or of an inline table stand in a text: `begin` is the offset of the opening bracket, `end`
    that after the closing one."""
    return _Scanner(text).items(begin, end)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.header: KeyPath = ()
        self.found: list[Statement] = []
        self.line, self._counted = 1, 0

    def scan(self) -> list[Statement]:
        while self._skip_to_statement():
            begin = self.at
            is_header = self.text[begin] == "["
            if is_header:
                self._skip_all("[")
            self._mark_line()
            key = self._key_until("]" if is_header else "=")
            if key is None:
                break
            if is_header:
                self.header = key
                self._skip_all("]")
            else:
                self.at += 1
            self._skip_blanks()
            path, header = (key, None) if is_header else (self.header + key, self.header)
            value = self.at
            self.found.append(Statement(path, self.line, header, begin, value, self._skip_value(value)))
        return self.found

    def items(self, begin: int, end: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        within, depth = False, 0
        self.at = begin + 1
        while self.at < end - 1:
            character = self.text[self.at]
            if character == "#":
                self._skip_comment()
            elif character.isspace():
                self.at += 1
            elif character == "," and not depth:
                within = False
                self.at += 1
            else:
                first = found.pop()[0] if within else self.at
                within = True
                if character in QUOTES:
                    self._skip_string()
                else:
                    depth += (character in OPENING) - (character in CLOSING)
                    self.at += 1
                found.append((first, self.at))
        return found

    def _skip_to_statement(self) -> bool:
        """Over blanks and comments; False at the end of the text."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                self._skip_comment()
            elif self.text[self.at].isspace():
                self.at += 1
            else:
                return True
        return False

    def _mark_line(self) -> None:
        self.line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at

    def _key_until(self, end: str) -> KeyPath | None:
        """The key that ends before this character; None where the line holds no such thing."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in (end, "\n"):
            if self.text[self.at] in QUOTES:
                self._skip_string()
            else:
                self.at += 1
        if self.at == len(self.text) or self.text[self.at] != end:
            return None
        return spelled(self.text[start : self.at].strip())

    def _skip_all(self, character: str) -> None:
        while self.text.startswith(character, self.at):
            self.at += 1

    def _skip_blanks(self) -> None:
        while self.text.startswith((" ", "\t"), self.at):
            self.at += 1

    def _skip_comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _skip_value(self, begin: int) -> int:
        """To the end of the line on which no bracket and no string is open any more; returns where the value itself ends."""
        depth, end = 0, begin
        while self.at < len(self.text):
            character = self.text[self.at]
            if character in QUOTES:
                self._skip_string()
                end = self.at
                continue
            if character == "#":
                self._skip_comment()
                continue
            if character == "\n" and depth <= 0:
                break
            depth += (character in OPENING) - (character in CLOSING)
            self.at += 1
            end = end if character.isspace() else self.at
        return end

    def _skip_string(self) -> None:
        """Over a string of any of the four kinds. Only the ones in double quotes know escapes."""
        quote = self.text[self.at]
        several_lines = self.text.startswith(quote * 3, self.at)
        ends = quote * 3 if several_lines else quote
        self.at += len(ends)
        while self.at < len(self.text) and not self.text.startswith(ends, self.at):
            if self.text[self.at] == "\n" and not several_lines:
                return
            self.at += 2 if self.text[self.at] == "\\" and quote == '"' else 1
        self.at = min(self.at + len(ends), len(self.text))
        if several_lines:  # up to two quotes may stand right before the closing three
            self._skip_all(quote)


def spelled(key: str) -> KeyPath | None:
    """What a key as it stands in the text means; None where it is no key."""
    if not any(quote in key for quote in QUOTES):
        return tuple(part.strip() for part in key.split("."))
    try:
        here: object = tomllib.loads(f"{key} = 0")
    except ValueError:
        return None
    path: list[str] = []
    while isinstance(here, dict):
        if len(here) != 1:
            return None  # a comment, which swallowed the rest
        [(part, here)] = here.items()
        path.append(part)
    return tuple(path)
