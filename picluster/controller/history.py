"""What was tried with a cluster, and how it went: a JSON object a line beside its secrets, `NAME.secrets/history.jsonl`.

Lines are only ever added. One that is not understood, half a line after a power cut for one, is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Entry", "history_of", "read", "remember"]

Entry = dict[str, object]


def history_of(inventory: Path) -> Path:
    """The file for that inventory."""
    return inventory.with_suffix(".secrets") / "history.jsonl"


def remember(path: Path, entry: Mapping[str, object]) -> None:
    """Add an entry. Raises OSError."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before = "\n" if text and not text.endswith("\n") else ""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{before}{json.dumps(entry, ensure_ascii=False)}\n")


def read(path: Path, verb: str) -> list[Entry]:
    """What that verb has left there, the oldest first. Raises OSError."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [entry for line in lines if (entry := _entry(line)).get("verb") == verb]


def _entry(line: str) -> Entry:
    try:
        words = json.loads(line)
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}
