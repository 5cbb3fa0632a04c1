"""The script's results as a table for people, row by row as they come, and as one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from picluster.lab.script import Result
from picluster.lab.stack import Stack

__all__ = ["HEADING", "as_json", "last_words", "progress", "row", "verdict"]

COLUMNS = ((29, "what happens"), (6, "held"), (10, "took over"), (8, "outage"), (15, "lost of asked"))
"""Together with the last one they fit into 80 columns."""
HEADING = "".join(title.ljust(width) for width, title in COLUMNS) + "two at once"
LAST_LINES = 12


def progress(title: str) -> str:
    return f"{title} …".ljust(len(HEADING))


def row(result: Result) -> str:
    title = result.title.ljust(COLUMNS[0][0])
    if result.skipped:
        return f"{title}not shown here:\n  {result.skipped}"
    cells = (
        result.held or "nobody",
        "stays" if result.took_over == result.held else result.took_over or "nobody",
        f"{result.outage_ms:.0f} ms",
        f"{result.lost:,} of {result.requests:,}",
    )
    widths = [width for width, _ in COLUMNS[1:]]
    body = "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{title}{body}{result.double_ms:,.0f} ms" + (f"\n  FAILED: {result.failure}" if result.failure else "")


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


def last_words(logs: Sequence[Path]) -> str:
    """The end of each log that says anything."""
    parts = []
    for log in logs:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        if lines:
            parts.append("\n".join([f"── {log.name}", *lines[-LAST_LINES:]]))
    return "\n".join(parts)
