"""The script's results as a table for people, row by row as they come, and as one JSON object for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

from picluster.lab.script import Result
from picluster.lab.stack import Stack

__all__ = ["HEADING", "as_json", "last_words", "progress", "row", "verdict"]

COLUMNS = ((28, "what happens"), (7, "held"), (10, "took over"), (9, "outage"), (15, "lost of asked"))
"""Wide enough for pi10 and for seconds; together with the last one they fit into 80 columns."""
ROW_WIDTH = 80
HEADING = "".join(title.ljust(width) for width, title in COLUMNS) + "two at once"
LAST_LINES = 12


def progress(title: str) -> str:
    return f"{title} …".ljust(len(HEADING))


def row(result: Result) -> str:
    if result.skipped:
        return below(f"{result.title.ljust(COLUMNS[0][0])}not shown here:", result.skipped)
    cells = (
        result.title,
        result.held or "nobody",
        taker(result),
        f"{result.outage_ms:,.0f} ms",
        f"{result.lost:,} of {result.requests:,}",
    )
    # However long a cell is, a space follows it.
    body = "".join(cell.ljust(width - 1) + " " for cell, (width, _) in zip(cells, COLUMNS, strict=True))
    line = f"{body}{result.double_ms:,.0f} ms"
    if result.failure:
        return below(line, f"FAILED: {result.failure}")
    return below(line, result.remark) if result.remark else line


def taker(result: Result) -> str:
    """Who has the address after the scene; `itself` where its holder lost it in between, or could not use it."""
    if result.took_over != result.held:
        return result.took_over or "nobody"
    return "itself" if result.remark else "stays"


def below(line: str, words: str) -> str:
    """With an explanation under it."""
    return line + "\n" + textwrap.fill(words, ROW_WIDTH, initial_indent="  ", subsequent_indent="  ")


def verdict(results: Sequence[Result]) -> str:
    failed = [result for result in results if result.failure]
    if failed:
        return "FAILED  " + "; ".join(f"{result.title}: {result.failure}" for result in failed)
    moves = [result for result in results if not result.skipped and result.took_over != result.held]
    worst = max((result.outage_ms for result in moves), default=0.0)
    times = {1: "Once", 2: "Twice", 3: "Three times"}.get(len(moves), f"{len(moves)} times")
    return f"{times} another Pi took over, within {worst:.0f} ms, and never did two answer at once."


def as_json(mode: str, reason: str, stack: Stack, started_s: float, results: Sequence[Result], failure: str = "") -> str:
    """`failure`: why it did not even get as far as a scene."""
    scenes = [
        {
            "scene": result.scene,
            "title": result.title,
            "held": result.held or None,
            "took_over": result.took_over or None,
            "outage_ms": round(result.outage_ms, 1),
            "lost": result.lost,
            "requests": result.requests,
            "double_ms": result.double_ms,
            "failure": result.failure or None,
            "skipped": result.skipped or None,
            "remark": result.remark or None,
        }
        for result in results
    ]
    failures = [f"{result.scene}: {result.failure}" for result in results if result.failure]
    failures += [failure] if failure else []
    whole = {
        "ok": not failures,
        "mode": mode,
        "reason": reason,
        "nodes": stack.size,
        "started_s": round(started_s, 2),
        "scenes": scenes,
        "failures": failures,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def last_words(logs: Sequence[Path], most: int = LAST_LINES) -> str:
    """The end of each log that says anything."""
    parts = []
    for log in logs:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        if lines:
            parts.append("\n".join([f"── {log.name}", *lines[-most:]]))
    return "\n".join(parts)
