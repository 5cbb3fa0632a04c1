"""The scanner knows on which line every key stands, whatever the way it is written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from picluster.inventory.lines import KeyPath, Lines, statements

TEXT = (
    """# a comment with [brackets] and key = "value"
title = "x"  # line 2

[a]
b = 1
"quoted key" = 2
'it"""
    + """'.c = 3
d = [
    "] not the end",  # nor [ here
    [1, 2],
]
e = { f = 1, g = { h = 2 } }
[a . "b.c".d]   # line 13
i = '''
[not.a.header]
j = 1
''' # still the value of i
k = \"\"\"\\\\\"\"\"
l = 5
[[m]]
n = 1
[[m]]
n = 2
"""
)


def place(path: KeyPath) -> int | None:
    return Lines(TEXT).line_of(path)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("a",), 4),
        (("a", "b"), 5),
        (("a", "quoted key"), 6),
        (("a", "it", "c"), 7),
        (("a", "d"), 8),
        (("a", "e"), 12),
        (("a", "b.c", "d"), 13),
        (("a", "b.c", "d", "i"), 14),
        (("a", "b.c", "d", "k"), 18),
        (("a", "b.c", "d", "l"), 19),
        (("m",), 20),
        (("m", "n"), 21),
    ],
)
def test_the_line_of_a_key(path: KeyPath, line: int) -> None:
    assert place(path) == line


@pytest.mark.parametrize(
    ("path", "line"), [(("a", "e", "g", "h"), 12), (("a", "missing"), 4), (("missing",), None), ((), None)]
)
def test_what_is_not_spelled_out_stands_where_its_surroundings_do(path: KeyPath, line: int | None) -> None:
    assert place(path) == line


def test_the_text_of_the_test_is_toml() -> None:
    assert tomllib.loads(TEXT)["a"]["b.c"]["d"]["l"] == 5


def test_a_repetition_is_found_with_its_first() -> None:
    lines = Lines("[a]\nb = 1\n[c]\n[a]\nb = 2\n")
    found = lines.repetition(4)
    assert found is not None
    assert [statement.line for statement in found] == [1, 4]
    assert lines.repetition(3) is None


NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.sampled_from(
    ["1", "true", '"#]=["', "'[\"'", "[1,\n2, # ]\n]", "{ x = 1 }", '"""\n"\n[no]"""', "'''\n'no' = [\n'''"]
)


def spelled(name: str) -> str:
    """A name as a TOML basic string: control characters, quotes and backslashes escaped."""
    return '"' + "".join(f"\\U{ord(c):08x}" if not c.isalnum() else c for c in name) + '"'


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_the_scanner_and_tomllib_find_the_same_keys(sections: dict[str, dict[str, str]]) -> None:
    text = ""
    expected: dict[KeyPath, int] = {}
    for section, keys in sections.items():
        expected[(section,)] = text.count("\n") + 1
        text += f"[{spelled(section)}]\n"
        for key, value in keys.items():
            expected[(section, key)] = text.count("\n") + 1
            text += f"{spelled(key)} = {value}\n"
    parsed: dict[str, Any] = tomllib.loads(text)
    assert {statement.path: statement.line for statement in statements(text)} == expected
    assert {(section, key) for section in parsed for key in parsed[section]} == {path for path in expected if len(path) == 2}


@example("[#'']")
@settings(deadline=None)
@given(st.text(st.sampled_from("[]{}\"'=.#\\\n a1"), max_size=60))
def test_it_comes_to_an_end_on_any_text(text: str) -> None:
    for statement in statements(text):
        assert 1 <= statement.line <= text.count("\n") + 1
