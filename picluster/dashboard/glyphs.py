"""The characters that are more than letters, in Unicode and in ASCII, one cell each.

All of the Unicode ones are in the fonts that terminals ship with (geometric shapes, box drawing), and none
is an emoji: those are two cells wide in some terminals and one in others.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from picluster.model.snapshot import NodeState


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One alphabet for everything that is drawn."""

    states: Mapping[NodeState, str]
    rule: str
    ellipsis: str
    arrow: str
    dot: str
    """Between two parts of one remark."""
    good: str
    attention: str
    bad: str
    voter_alive: str
    voter_missing: str
    bar: tuple[str, ...]
    """A cell of a bar from empty to full."""
    up_down: str
    only_ascii: bool

    def clean(self, text: str) -> str:
        """Text from elsewhere without anything that moves the cursor, hides, or takes no cell."""
        if not text.isprintable():
            text = "".join(character if character.isprintable() else _stand_in(character) for character in text)
        if self.only_ascii and not text.isascii():
            text = "".join(character if character.isascii() else _in_ascii(character) for character in text)
        return text


def _stand_in(character: str) -> str:
    return " " if character.isspace() else "?"


_ASCII = {"→": "->", "·": "-", "…": "...", "–": "-", "—": "-", "✕": "x", "×": "x", "µ": "u", "↑": "^", "↓": "v", "’": "'"}


def _in_ascii(character: str) -> str:
    """An accent is dropped, a known sign spelled out, all else is a question mark."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _ASCII.get(character) or plain or "?"


UNICODE = Glyphs(
    states={
        NodeState.HOLDER: "●",
        NodeState.READY: "○",
        NodeState.WITNESS: "◇",
        NodeState.STANDBY: "◐",
        NodeState.STARTING: "◌",
        NodeState.DEGRADED: "▲",
        NodeState.NO_QUORUM: "■",
        NodeState.LEFT: "–",
        NodeState.SILENT: "✕",
    },
    rule="─",
    ellipsis="…",
    arrow="→",
    dot="·",
    good="●",
    attention="▲",
    bad="✕",
    voter_alive="●",
    voter_missing="✕",
    bar=("─", "╸", "━"),
    up_down="↑↓",
    only_ascii=False,
)

ASCII = Glyphs(
    states={
        NodeState.HOLDER: "@",
        NodeState.READY: "o",
        NodeState.WITNESS: "w",
        NodeState.STANDBY: "=",
        NodeState.STARTING: ".",
        NodeState.DEGRADED: "!",
        NodeState.NO_QUORUM: "#",
        NodeState.LEFT: "-",
        NodeState.SILENT: "x",
    },
    rule="-",
    ellipsis="~",
    arrow=">",
    dot="-",
    good="*",
    attention="!",
    bad="x",
    voter_alive="*",
    voter_missing="x",
    bar=(".", "#"),
    up_down="^v",
    only_ascii=True,
)


def for_encoding(encoding: str | None) -> Glyphs:
    """Unicode where the terminal's encoding has every glyph, else ASCII."""
    everything = "".join(
        (*UNICODE.states.values(), *UNICODE.bar, UNICODE.rule, UNICODE.ellipsis, UNICODE.arrow, UNICODE.up_down)
    )
    try:
        everything.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
