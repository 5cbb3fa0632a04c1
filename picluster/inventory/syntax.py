"""From text to the tables that it spells, or the one mistake that keeps it from being TOML at all.

What the standard library finds wrong gets its line and a sentence for people. Two sections of one name are a mistake of
syntax in TOML already; since that is how a node gets copied and not renamed, it has a sentence of its own.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from picluster.errors import InventoryError, Mistake
from picluster.inventory.lines import Lines, Statement

BYTE_ORDER_MARK = "\ufeff"
PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
"""How `tomllib` ends its messages, from Python 3.11 on."""
SYNTAX_HELP = (
    'Text stands in double quotes, a list in [ ], and a section starts with a line such as [nodes.pi1]; comments with "#"'
)


def plain(text: str) -> str:
    """The text without what editors on other systems put into it: a byte order mark, two-character line ends."""
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")


def parse(text: str, source: str) -> dict[str, Any]:
    """The tables of a text that `plain` has been applied to. Raises InventoryError with one mistake where it is no TOML."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        mistake = Mistake(
            source, None, "", "lists or tables are nested too deeply", "An inventory needs no more than three levels"
        )
    except ValueError as error:
        mistake = _described(str(error), text, source)
    raise InventoryError([mistake])


def _described(message: str, text: str, source: str) -> Mistake:
    place = PLACE.search(message)
    if place is None:  # the only error of another kind: int() refuses what has thousands of digits
        return Mistake(source, None, "", "not valid TOML: a number has thousands of digits", "Look for a key held down")
    line = int(place[1]) if place[1] else text.rstrip("\n").count("\n") + 1
    repetition = Lines(text).repetition(line)
    if repetition:
        return _repeated(*repetition, source)
    reason = message[: place.start()]
    return Mistake(source, line, "", f"not valid TOML: {reason[:1].lower()}{reason[1:]}", SYNTAX_HELP)


def _repeated(first: Statement, again: Statement, source: str) -> Mistake:
    key = ".".join(again.path)
    wrong = f"stands here a second time; the first is on line {first.line}"
    named = again.path[:1] in (("nodes",), ("addresses",)) and len(again.path) == 2
    mend = (
        "Every name may be given once: rename one of the two, or delete it"
        if named
        else "Put everything into one of the two"
    )
    return Mistake(source, again.line, key, wrong, mend)
