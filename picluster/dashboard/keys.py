"""The last line: which keys do what, or what the dashboard asks; and the page that explains everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from picluster.dashboard.canvas import Frame, Line
from picluster.dashboard.lamps import legend
from picluster.dashboard.palette import PLAIN, QUIET, STRONG, WARNING


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or several such as `1-5`, in the help line and on the help page."""

    keys: str
    word: str
    """For the line: one word."""
    meaning: str = ""
    """For the page: what it does, and to whom."""


ALWAYS = (Key("?", "help"), Key("q", "quit"))
COLUMN_MEANINGS = (
    ("heard", "how long ago its last heartbeat came"),
    ("trip", "there and back again, between it and this dashboard"),
    ("loss in/out", "worst link: of what is sent to it, and of what it sends"),
    ("lease", "what is left of it, as a bar, and its full length"),
)


def key_line(keys: Sequence[Key], prompt: str, frame: Frame) -> Line:
    """A question or an answer takes the whole line; else all keys that fit, help and quit in any case."""
    if prompt:
        return frame.row((frame.fit(prompt, frame.inner), WARNING))
    room = frame.inner - sum(_cells(key) for key in ALWAYS)
    shown: list[Key] = []
    for key in keys:
        room -= _cells(key)
        if room < 0:
            break
        shown.append(key)
    return frame.row(*(piece for key in (*shown, *ALWAYS) for piece in ((key.keys, STRONG), (f" {key.word}  ", QUIET))))


def _cells(key: Key) -> int:
    return cell_len(key.keys) + cell_len(key.word) + 3


def help_page(keys: Sequence[Key], frame: Frame, height: int) -> list[Line]:
    """Keys first, where there are any, then the lamps, then the columns; what does not fit is cut at the end."""
    explained = [frame.rule("keys"), *_explained([(key.keys, key.meaning) for key in keys], frame)] if keys else []
    return [
        *explained,
        frame.rule("lamps"),
        *legend(frame),
        frame.rule("columns"),
        *_explained(COLUMN_MEANINGS, frame),
    ][:height]


def _explained(pairs: Sequence[tuple[str, str]], frame: Frame) -> list[Line]:
    return [frame.row((frame.fit(term, 11) + "  ", STRONG), (meaning, PLAIN)) for term, meaning in pairs]
